# SPDX-License-Identifier: GPL-2.0-only
"""Table features requests as os-ken writes them: asked for, sent back in several messages, changed."""
import struct
import sys

from lib import Client, Switch, check, equal, run_tests, udp
from os_ken.ofproto import ofproto_v1_3 as ofp
from os_ken.ofproto import ofproto_v1_3_parser as parser
from os_ken.ofproto.ofproto_protocol import ProtocolDesc

DP = ProtocolDesc(version=ofp.OFP_VERSION)
REQUEST, REPLY = 18, 19
IN_A_MESSAGE = 25  # tables


def message(flags, tables):
    m = parser.OFPTableFeaturesStatsRequest(DP, flags, tables)
    m.set_xid(0)
    m.serialize()
    return bytes(m.buf[8:])


def answer(c, xid):
    """All tables of the reply, or (type, code) of the error."""
    tables, more = [], True
    while more:
        kind, _, body = c.answer(xid)
        if kind == c.ERROR:
            return struct.unpack('>HH', body[:4])
        equal(kind, REPLY, 'type')
        more = struct.unpack('>H', body[2:4])[0] & 1
        at = 8
        while at < len(body):
            tables.append(parser.OFPTableFeaturesStats.parser(body, at))
            at += tables[-1].length
    return tables


def ask(c, tables=()):
    xid = None
    for i in range(0, max(len(tables), 1), IN_A_MESSAGE):
        last = i + IN_A_MESSAGE >= len(tables)
        xid = c.send(REQUEST, message(0 if last else ofp.OFPMPF_REQ_MORE, tables[i:i + IN_A_MESSAGE]), xid)
    return answer(c, xid)


def plain(tables):
    return [t.to_jsondict() for t in tables]


def test_sent_back(sw):
    sw.flows('actions=output:2')
    with Client(sw.sock) as c:
        tables = ask(c)
        equal(len(tables), 255, 'tables')
    was = plain(tables)  # before os-ken writes them: it sets the fields' lengths to 0
    with Client(sw.sock) as c:  # anew: an emulated machine takes longer for that than a silent peer has
        check(plain(ask(c, tables)) == was, 'the tables have changed')
    sw.forward([(1, udp(1, 2))], {2: [udp(1, 2)]})


def test_names(sw):
    with Client(sw.sock) as c:
        tables = ask(c)
        tables[2].name = b'routes'
        equal(ask(c, tables)[2].name.rstrip(b'\0'), b'routes', 'name')
    check('routes' in sw.of('dump-table-features'), 'the name is not shown')


def test_refused(sw):
    with Client(sw.sock) as c:
        tables = ask(c)
        tables[3].name = b'never'
        equal(ask(c, tables[:254]), (ofp.OFPET_TABLE_FEATURES_FAILED, ofp.OFPTFFC_EPERM), 'without a table')
        tables[254].table_id = 255
        equal(ask(c, tables), (ofp.OFPET_TABLE_FEATURES_FAILED, ofp.OFPTFFC_BAD_TABLE), 'table 255')
        tables[254].table_id = 254
        tables[254].max_entries = 0xffffffff
        equal(ask(c, tables), (ofp.OFPET_TABLE_FEATURES_FAILED, ofp.OFPTFFC_BAD_ARGUMENT), 'more entries')
        check(b'never' not in [t.name.rstrip(b'\0') for t in ask(c)], 'a refused request changed a name')


if __name__ == '__main__':
    run_tests(sys.modules[__name__], Switch)
