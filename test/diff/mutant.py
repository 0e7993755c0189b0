#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Mutants: our switch with one fault put in, which the differential test has to find.

    test/diff/mutant.py N...|all [diff.py's options]

A mutant is a change of one line, made in a copy of the sources below build/mutant; if the line is not there any more,
that is said.  A case is a mutant; it passes if diff.py finds a difference.  Last line: `N passed, N failed`.
"""
import os
import re
import shutil
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# What is wrong then, file, text, other text.
MUTANTS = (
    ('IPv4 checksum not updated by addresses', 'bpf/set_field.h', '\tsums->ip += sum;\n', ''),
    ('pseudo header forgotten', 'bpf/set_field.h', '\tsums->pseudo += sum;\n', ''),
    ('UDP checksum 0 filled in', 'bpf/csum.h', '\tif (!csum)\n\t\treturn 0;\n', ''),
    ('computed UDP checksum 0 sent as 0', 'bpf/csum.h', 'return new ? new : 0xffff;', 'return new;'),
    ('TTL changed without checksum', 'bpf/ttl.h', '\tip->check = csum_apply(', '\tcsum_apply('),
    ('TTL 1 is still good', 'bpf/ttl.h', 'if (dec && ip->ttl <= 1)', 'if (dec && ip->ttl < 1)'),
    ('push_vlan does not copy the tag', 'bpf/vlan.h', 'tci = outer ? *outer : 0;', 'tci = 0;'),
    ('TPID always 0x8100', 'bpf/vlan.h', '((pkt16 *)to)[6] = bpf_htons(tpid);', '((pkt16 *)to)[6] = bpf_htons(0x8100);'),
    ('set vlan_pcp clears the VLAN id', 'bpf/set_field.h', 'bpf_htons(pcp_mask << 13)', 'bpf_htons(0xefff)'),
    ('set ip_dscp clears ECN', 'bpf/set_field.h', '__u16 mask = m->ip_dscp << 2 | m->ip_ecn;',
     '__u16 mask = m->ip_dscp << 2 | m->ip_ecn | (m->ip_dscp ? 3 : 0);'),
    ('a later fragment has ports', 'bpf/parse.h', 'if (ip->frag_off & bpf_htons(0x1fff))', 'if (0)'),
    ('IPv4 options taken for the transport header', 'bpf/parse.h', 'head = ip->ihl * 4;', 'head = 20;'),
    ('padding read as IP', 'bpf/parse.h', 'parse_l4(ctx, s, at + head, at + total);', 'parse_l4(ctx, s, at + head, ctx_len(ctx));'),
    ('authentication header length in 8 bytes', 'bpf/parse_ipv6.h', '(ext[1] + 2) * 4', '(ext[1] + 1) * 8'),
    ('ip_proto from the first extension header', 'bpf/parse_ipv6.h', '\ts->key.ip_proto = ext[0];\n', '\ts->key.ip_proto = ext[0] ?: 1;\n'),
    ('inner tag matched', 'bpf/parse.h', '\t\t\tif (!i) {\n', '\t\t\tif (i < 2) {\n'),
    ('lower priority wins', 'bpf/table_rule.h', '(__u32)(ref.priority - s->best_priority - 1) >> 31', '(s->best_priority >= 0)'),
    ('list of tuples cut', 'bpf/table.h', 'if (i >= list->n || i >= OFX_LIST_ENTRIES ||', 'if (i >= 3 || i >= list->n || i >= OFX_LIST_ENTRIES ||'),
    ('metadata written without mask', 'bpf/execute.h', 's->metadata = (s->metadata & ~op->mask) | op->value;', 's->metadata = op->value;'),
    ('clear-actions keeps set-fields', 'bpf/action_set.h', '\tset->dirty = 0;\n\tset->output = 0;\n', '\tset->output = 0;\n'),
    ('action set: set-field before push', 'bpf/action_set.h', 'action_set_add_op(s, OFX_OP_PUSH_VLAN, 0, s->set.push_vlan);\n\taction_set_add_op(s, OFX_OP_COPY_TTL_OUT',
     'action_set_add_fields(s);\n\taction_set_add_op(s, OFX_OP_PUSH_VLAN, 0, s->set.push_vlan);\n\taction_set_add_op(s, OFX_OP_COPY_TTL_OUT'),
    ('flood back to the packet\'s port', 'bpf/output.h', 'flood_last(ctx, s, s->in_index)', 'flood_last(ctx, s, 0)'),
    ('output to in_port not dropped', 'bpf/output.h', 'if (!to_in_port && index == s->in_index)', 'if (0)'),
    ('metadata lost at a copy', 'bpf/loop.h', '\ts->metadata = c->metadata;\n\ts->tunnel_id = c->tunnel_id;\n\tcont_load_ops',
     '\ts->metadata = 0;\n\ts->tunnel_id = 0;\n\tcont_load_ops'),
    ('action set lost at a copy', 'bpf/loop.h', '\tif (c->has_set)\n\t\ts->set = c->set;\n\telse\n', ''),
    ('push_mpls: not the bottom', 'bpf/mpls.h', 'return ip.kind && ttl ? *ttl | MPLS_BOS : MPLS_BOS;', 'return ip.kind && ttl ? *ttl : MPLS_BOS;'),
    ('pop_mpls forgets tags', 'bpf/mpls.h', 'if (words && i * 4 <= at - 2)', 'if (words && i * 4 <= 14)'),
    ('dec_mpls_ttl at 1', 'bpf/mpls.h', 'if (*at <= 1)', 'if (*at < 1)'),
    ('flows counted though the TTL ran out', 'bpf/verdict.h', ' | 1u << OFX_OP_DEC_IP_TTL |\n\t\t\t    1u << OFX_OP_DEC_MPLS_TTL', ''),
    ('no new parse behind push and pop', 'user/datapath/inst.c', '\t\t\tflags |= OFX_INST_REPARSE;\n', '\t\t\t;\n'),
    ('stale rule: a deleted one stays', 'user/datapath/rule.c', '\tlines_remove(rules, p->hash, slot);', '\trules->n--;'),
    ('stale rule: a changed one keeps its actions', 'user/datapath/flow.c', '__atomic_store_n(&of->inst, inst, __ATOMIC_RELEASE);', '(void)of;'),
    ('search of tuples ends too early', 'user/datapath/lookup.c', '.max_priority = d->v[i].max}', '.max_priority = d->v[i].max / 2}'),
    ('routes out of order stay in tries', 'user/datapath/table_lpm.c', 'if (p && ((i < length && p->max > priority)', 'if (!p && ((i < length && p->max > priority)'),
    ('other rules are hidden by routes', 'user/datapath/rule.c', 'else if (hidden && !lpm_hides(p->tuple))', 'else if (0)'),
    ('a route is not told of', 'user/datapath/rule.c', 'lpm_put(p->mask, &p->key, ref_to(p, head));', ';'),
    ('rules check what they do not ask for', 'user/datapath/tuple.c', 'tuple->quick ? check_byte(value, cares)', 'tuple->quick ? check_byte(value, 0xff)'),
    ('candidates are believed', 'bpf/table_rule.h', 'if (!f || !flow_matches(s, f, table))', 'if (!f)'),
    ('a hash map is asked for bits that the mask leaves out', 'bpf/table_hash.h', 'w[OFX_W_L4] & e->mask[1]', 'w[OFX_W_L4]'),
    ('wrong bucket: ALL takes the first one again and again', 'bpf/group.h', 'return bucket_run(s, g->first + first);', 'return bucket_run(s, g->first);'),
    ('a dead bucket is chosen: FAST_FAILOVER', 'bpf/group.h', '(b->weight || g->type == OFX_GROUP_FF) && bucket_live(s, number)', '(b->weight || g->type == OFX_GROUP_FF)'),
    ('a dead bucket is chosen: SELECT', 'bpf/group.h', '\t\tif (bucket_live(s, number))\n\t\t\treturn number;\n\t\thash', '\t\tif (number)\n\t\t\treturn number;\n\t\thash'),
    ('a flow does not stay on its bucket', 'bpf/group.h', '__u64 hash = ofx_secret;', '__u64 hash = ofx_secret + s->len;'),
    ('SELECT takes buckets of weight 0', 'bpf/group.h', 'if (b->upto > at)', 'if (b->upto >= at)'),
    ('watched groups forgotten', 'bpf/liveness.h', 'if (b->watch_group != OFX_NOT_WATCHED)', 'if (0)'),
    ('a port is live without a carrier', 'bpf/liveness.h', '1u << __LINK_STATE_NOCARRIER | 1u << __LINK_STATE_DORMANT', '1u << __LINK_STATE_DORMANT'),
    ('set-fields before a group are lost', 'bpf/group.h', '\tif (commit(ctx, s))\n\t\treturn drop(OFX_DROP_ACTION_FAILED);\n\treturn group_fork(ctx, s);\n}\n\n#endif', '\ts->dirty = 0;\n\treturn group_fork(ctx, s);\n}\n\n#endif'),
    ('a bucket\'s packet-in names a later flow', 'bpf/group.h', '\ts->flow = flow;\n\ts->gen = gen;\n', ''),
    ('a bucket counts for its neighbour', 'bpf/group.h', 'count_group(s, OFX_GROUPS + number);', 'count_group(s, OFX_GROUPS + (number ^ 1));'),
    ('flows behind a group are not counted', 'bpf/group.h', '\tgroup_count_rest(s);\n\tverdict_begin(s);', '\tverdict_begin(s);'),
    ('stale group: a modified one keeps its buckets', 'user/datapath/group.c', 'err = publish(dp->groups, g, c->slot);', 'err = publish(dp->groups, g, g->config->slot);'),
    ('the order of a bucket is the order written', 'user/datapath/group.c', '\tset_order(actions, &ordered);\n', '\tfor (size_t i = 0; i < actions->n; i++)\n\t\tordered.v[ordered.n++] = actions->v[i];\n'),
    ('a group\'s flows stay when it is deleted', 'user/switch/deletion.c',
     '\tif (d->ops->n_sets(sw, d->id) && !sw_walk_step(sw, &d->selection.walk, REMOVED_AT_ONCE, remove_user, d))\n'
     '\t\tsw_selection_again(&d->selection, OFPTT_ALL);\n'
     '\t*more = d->ops->n_sets(sw, d->id);',
     '\t*more = false;'),
    ('meters drop nothing', 'bpf/meter.h', 'return b->type == OFX_BAND_DROP ? OFX_METER_DROP :', 'return b->type == OFX_BAND_DROP ? OFX_METER_PASS :'),
    ('the lowest rate exceeded is applied', 'bpf/meter.h', 'b->rate > best_rate', '(best < 0 || b->rate < best_rate)'),
    ('one drop precedence level too few', 'bpf/meter.h', '\ty += levels;\n', '\ty += 1;\n'),
    ('DSCP outside of AF remarked', 'bpf/meter.h', 'if (dscp & 1 || !y || class < 1 || class > 4)', 'if (!y)'),
    ('matches behind a remark see the old DSCP', 'user/datapath/inst.c', 'if (inst->present & OF_INST_METER) /*', 'if (0) /*'),
    ('push_pbb copies 16 bits of the I-SID', 'bpf/pbb.h', '\t\ttci = bpf_ntohl(*outer) & PBB_ISID_BITS;\n', '\t\ttci = bpf_ntohl(*outer) & PBB_ISID_BITS >> 8;\n'),
    ('push_pbb does not copy the PCP', 'bpf/pbb.h', 'tci |= (__u32)(bpf_ntohs(*tag) >> 13) << 29;', 'tci |= 0;'),
    ('pop_pbb loses B-TAGs', 'bpf/pbb.h', 'if (to && PBB_PUSHED + i * 4 < at + PBB_HEADER - 2)', 'if (to && i < 3)'),
    ('I-SID read from the wrong place', 'bpf/parse.h', 'k->pbb_isid[0] = tag[1];', 'k->pbb_isid[0] = tag[2];'),
    ('an invalid TTL is told as an action', 'bpf/packet_in.h', 'return packet_in_send(ctx, s, OFPR_INVALID_TTL,', 'return packet_in_send(ctx, s, 1,'),
    ('the flow cache is not told of changes', 'user/datapath/cache.c', '\t__atomic_add_fetch(&live(dp)->gen, 1, __ATOMIC_SEQ_CST);', '\tif (!live(dp)->gen)\n\t\tlive(dp)->gen = 1;'),
    ('the flow cache looks at no bits but the first rules\'', 'user/datapath/cache.c', 'mask_write(dp, i, live(dp)->mask[i] | word_mask(mask, i));', 'mask_write(dp, i, live(dp)->mask[i] ? live(dp)->mask[i] : word_mask(mask, i));'),
    ('a match takes what is not there for zero', 'user/datapath/match.c', '\tmask->vlan_pcp |= zero & ~other;\n', ''),
    ('the key does not tell what is not there', 'bpf/parse.h', '\ts->key.vlan_pcp |= ofx_key_no(s->key.shape);\n', ''),
    ('an ND option that is not there has address zero', 'include/ofxdp/key.h', 'shape & OFX_SHAPE_ICMPV6 && !(shape & OFX_SHAPE_ND_LL)', '0'),
    ('a change of a header that is not there is seen by later tables', 'bpf/resolve.h', 'if (w < OFX_KEY_WORDS && key_has(key, op))', 'if (w < OFX_KEY_WORDS)'),
    ('a TCP port is set in UDP', 'user/datapath/action.c', '[OFX_PRE_TCP] = OFX_SHAPE_TCP', '[OFX_PRE_TCP] = (uint16_t)OFX_SHAPE_L4'),
    ('a change of a missing header ends the packet', 'bpf/execute.h', '\tif (!key_has(&s->key, op))\n\t\treturn OFX_NEXT;\n', '\tif (!key_has(&s->key, op))\n\t\treturn drop(0);\n'),
    ('the action set knows nothing of a new type', 'bpf/resolve.h', '\t\t\tverdict_add(s, OFX_OP_PARSE, 0, 0, 0);\n', '\t\t\t;\n'),
    ('a pushed tag is none for set-fields', 'bpf/vlan.h', '| shape;\n', ';\n'),
    ('RESET_COUNTS forgotten', 'user/switch/flow_mod.c', '\tif (!err && fm->flags & OFPFF_RESET_COUNTS)', '\tif (0)'),
)


def build(n):
    """build/mutant/N with an ofxdpd; its path."""
    _, path, old, new = MUTANTS[n - 1]
    out = os.path.join(TOP, 'build', 'mutant', str(n))
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out + '/build')
    for folder in ('bpf', 'include', 'user'):
        shutil.copytree(os.path.join(TOP, folder), os.path.join(out, folder))
    with open(os.path.join(out, path)) as f:
        text = f.read()
    if text.count(old) != 1:
        raise LookupError('%s holds this %d times, not once: %r' % (path, text.count(old), old))
    with open(os.path.join(out, path), 'w') as f:
        f.write(text.replace(old, new))

    def run(command):
        p = subprocess.run(command, shell=True, cwd=out, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if p.returncode:
            raise LookupError(command + ':\n' + p.stdout)
    sources = ['user/datapath/load.c'] + ([path] if path.startswith('user/') else [])
    skel, machine = 'build/ofxdp.skel.h', subprocess.check_output(['gcc', '-dumpmachine'], text=True).strip()
    run('clang -target bpf -O2 -g -mcpu=v3 -I. -I/usr/include/%s -c -o build/ofxdp.bpf.o bpf/ofxdp.bpf.c' % machine)
    run('PATH=$PATH:/usr/sbin bpftool gen skeleton build/ofxdp.bpf.o name ofxdp_bpf >' + skel)
    run('gcc -g -O1 -std=gnu11 -D_GNU_SOURCE -I. -o build/ofxdpd %s %s/build/obj/user/main.o %s/build/obj/libofxdp.a '
        '$(pkg-config --libs libbpf libxdp libevent_core libmnl libsystemd) -lpthread' % (' '.join(sources), TOP, TOP))
    for tool in ('ofxdpctl', 'pktgen'):
        os.symlink(os.path.join(TOP, 'build', tool), out + '/build/' + tool)
    return out + '/build'


def found(n, options):
    """Does diff.py tell this mutant from the real one?  (yes or no, how)"""
    path = build(n)
    p = subprocess.run([sys.executable, '-B', os.path.join(TOP, 'test/diff/diff.py'), '--stop', '1', '--shrink', '0', *options],
                       env=dict(os.environ, OFXDP_BUILD=path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    hit = re.search(r'^not ok - (seed .*)$', p.stdout, re.M)
    return (True, hit[1]) if hit else (False, p.stdout[-600:].replace('\n', '\n# '))


def main():
    which, options = sys.argv[1:2], sys.argv[2:]
    if not which:
        sys.exit(__doc__)
    numbers = range(1, len(MUTANTS) + 1) if which == ['all'] else [int(x) for x in which[0].split(',')]
    good = 0
    for n in numbers:
        try:
            ok, how = found(n, options)
        except LookupError as e:
            ok, how = False, str(e)
        good += ok
        print('%s %d - mutant: %s\n# %s' % ('ok' if ok else 'not ok', n, MUTANTS[n - 1][0], how), flush=True)
        shutil.rmtree(os.path.join(TOP, 'build', 'mutant', str(n)), ignore_errors=True)
    print('%d passed, %d failed' % (good, len(numbers) - good))
    return 1 if good < len(numbers) else 0


if __name__ == '__main__':
    sys.exit(main())
