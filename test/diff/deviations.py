# SPDX-License-Identifier: GPL-2.0-only
"""Where Open vSwitch (3.1, userspace datapath) and ofxdp differ, and OpenFlow 1.3.5 is not with OVS.

A packet that does one of these things is compared with the oracle only; how many did is printed.  Numbers are sections
of OpenFlow 1.3.5; (man) stands where OVS tells it itself, in ovs-actions(7) or ovs-fields(7).
"""

# Note of the oracle or the parser → what is written, and what OVS does.
EXCLUDED = {
    # --- actions
    'push_vlan on a tagged packet': '5.12.1: VID and PCP are copied from the tag before; OVS makes them 0',
    'more than 2 tags': '5.12: a tag can be pushed on any packet; OVS knows two (man)',
    'tag or label behind pop_vlan': "5.3: the next table sees the packet as it is now; OVS's cache takes such packets for untagged ones",
    'push_vlan behind pop_vlan': "5.12.1: the new tag has VID and PCP 0; OVS's cache leaves another packet of the same VID its old tag",
    'VLAN DEI': '7.2.3.7: vlan_vid and vlan_pcp are all of a tag that a set-field changes; OVS clears DEI',
    'push_mpls on another packet than MPLS': '5.12.1: label and TC 0, TTL that of IP or 0; OVS: label 2 on IPv6, TC from DSCP, TTL 64 (man)',
    'push_mpls on a tagged packet': '5.12: a label goes right behind the Ethernet header, before other tags; OVS puts it behind the tag',
    'more than three labels': '5.12: a label can be pushed on any packet; OVS knows three (man)',
    'pop_mpls of a label that is not the last leaves no MPLS': '5.12, table 6: one label goes, the type is as given; OVS: should be MPLS (man)',
    'pop_mpls of the last label leaves MPLS': '5.12, table 6: one label goes, the type is as given; OVS makes a label of its own',
    'pop_mpls behind push_mpls': '5.12, table 6: the type is as given; OVS leaves out both actions, and the type',
    'label entry changed': "7.2.3.7, 5.12: the other bits of the entry stay; OVS's cache writes those of the packet it made the entry for",
    'set-field of vlan_vid or vlan_pcp without a tag': '5.12: it is for the outermost tag; OVS pushes one, against its own word (man)',
    'set-field of arp_op 0 or 255': '7.2.3.7: arp_op has 16 bits; OVS writes 0xffff, and 0 not at all',
    'ARP opcode 0 or above 255': '7.2.3.7: arp_op has 16 bits; OVS takes greater ones for 0 (man), and 0 for no ARP',
    'action that is not possible': '5.12: nothing is said of a label onto 802.3, of a port in a fragment of SCTP; OVS writes what nobody can read',
    'invalid TTL with an action set': '5.12: the packet is rejected; OVS stops the action list only (man), and still runs the action set',
    'invalid TTL in a bucket': '5.12, 7.4.1: rejected, a packet-in with INVALID_TTL; OVS does not always send one',
    # --- packet-in, table miss, groups, meters
    'CONTROLLER in the action set behind a goto': '7.4.1: the table and the cookie are the last entry\'s, or -1; OVS has those of the first',
    'CONTROLLER in the action set of a table-miss entry': '5.4, 7.4.1: reason NO_MATCH; OVS says ACTION',
    'CONTROLLER behind a SELECT group': "5.4, 7.4.1: reason and cookie are the entry's; OVS, which begins anew there, says ACTION, at times -1",
    'CONTROLLER behind pop_mpls': "7.4.1: the cookie is the entry's; OVS, which begins anew behind the pop, has forgotten it",
    'table miss with an action set': '5.4: a packet that no entry matches is dropped; OVS runs the set',
    'SELECT group in a bucket, with an action set': '5.6.1: a bucket is the end of its copy; OVS, which begins anew there, also runs the action set',
    'watched group with buckets of weight 0': '5.6.1, group modification: a bucket lives by what it watches; OVS: not with weight 0',
    'meter whose band is exceeded': '5.7.1: above the rate; how much may come at once nothing says, OVS fills its buckets otherwise',
    'action on a malformed header': '5.3: ofxdp leaves the action out; OVS at times acts on a TTL of 0, an ARP of another kind',
    'ND option set where there is none': '7.2.3.7: it is not there, and matches nothing; OVS takes it for set in later tables',
    # --- malformed packets (5.3: "does not define the expected behavior"), parts that a cut keeps away
    'IP version': 'RFC 791, 8200; 5.3: OVS does not look at the version',
    'TCP data offset': 'RFC 9293; 5.3: OVS does not look at the data offset',
    'extension header cut': 'RFC 8200; 5.3: OVS finds no IP fields at all',
    'label cut': 'RFC 3032; 5.3: OVS does not count such packets, or counts them by another entry of its cache',
    'ND options': 'RFC 4861 4.6; 5.3: OVS then finds no target either',
    'tag and nothing behind it': "5.3: Linux drops it on the way into OVS's packet socket",
    # --- match fields
    'zero of a header that is not there': '7.2.3.8: a field is there where its prerequisites are; OVS takes what is not there for zero',
    'more than 8 extension headers': '7.2.3.7: a limit of ofxdp: what is behind is not looked at',
    'ND code': '7.2.3.7: the prerequisite of ND fields is the type; OVS asks for code 0, too',
    'eth_type of a tag': "7.2.3.7: the type after VLAN tags; OVS stops at the second (man), ofxdp at the fifth; OVS's cache gives such frames another one's entry",
    'ip_proto 0': '7.2.3.7: a protocol number as others; OVS changes nothing in such a packet',
    'IPv6 later fragment': '7.2.3.7: the protocol number is what follows the fragment header; OVS has 44 (man)',
    # --- checksums
    'IPv6 fragment header': 'RFC 8200 4.5, 8.1: a checksum behind it covers the addresses; OVS leaves it alone',
    'IPv6 segments left': 'RFC 8200 8.1: the source address is in the checksum all the same; OVS leaves it alone',
    'IPv4 later fragment': 'RFC 791: it has no transport header; OVS changes a checksum in it when it sets an address',
}

# Messages that OVS refuses: its error's type and code → why.
REFUSED = {
    (2, 0): 'BAD_TYPE, 5.12: copy TTL in or out',
    (2, 10): 'MATCH_INCONSISTENT, 7.2.3.6: ND fields with a code other than 0; tags that OVS cannot foresee',
    (2, 12): 'BAD_TAG, 5.12: a third tag pushed',
    (2, 15): 'BAD_SET_ARGUMENT, 7.2.3.7: set-field of mpls_bos',
    (4, 6): 'BAD_FIELD, 7.2.3.7: ipv6_exthdr',
    (4, 9): 'BAD_PREREQ, 7.2.3.6: ND fields with a code other than 0',
}
