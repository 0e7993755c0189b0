#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Meters: how far what passes is from the rate, over 10 seconds after the first one, offered at twice the rate.

    test/bench/meter.py [SECONDS]

DROP bands in packets and in kilobits, from 100 packets a second to half of what the generator reaches, then with two
cores on one meter (ports 1 and 3, whose senders are bound to different cores).  Fails if any is more than 3 % off.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'e2e'))
from lib import Failed, Skip, Switch, on_signals  # noqa: E402
from test_meter import KBPS, PKTPS, measure_rate  # noqa: E402

TWO = ((1, '-c', '0'), (3, '-c', '1'))
ROWS = (  # flags, rate (0: half of the fastest), frame length, senders
    (PKTPS, 100, 64, ((1,),)),
    (PKTPS, 1000, 64, ((1,),)),
    (PKTPS, 10000, 64, ((1,),)),
    (PKTPS, 100000, 64, ((1,),)),
    (PKTPS, 500000, 64, ((1,),)),
    (PKTPS, 0, 64, ((1,),)),
    (KBPS, 100, 64, ((1,),)),
    (KBPS, 1000, 1000, ((1,),)),
    (KBPS, 100000, 1400, ((1,),)),
    (KBPS, 1000000, 1400, ((1,),)),
    (KBPS, 0, 1400, ((1,),)),
    (PKTPS, 1000, 64, TWO),
    (PKTPS, 100000, 64, TWO),
    (PKTPS, 0, 64, TWO),
    (KBPS, 0, 1400, TWO),
)


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10
    worst = 0
    on_signals()
    print('| band | offered | passed | error | cores |\n| --- | --- | --- | --- | --- |')
    with Switch() as sw:
        for flags, rate, length, sources in ROWS:
            unit, per = ('kb/s', 8 / 1000) if flags & KBPS else ('packets/s', 1)
            try:
                rate, m = measure_rate(sw, flags, rate, length, sources, seconds, offered=2 if rate else 0, judge=False)
            except (Failed, Skip) as e:
                sys.exit('%s' % e)
            error = m.passed * per / rate - 1
            worst = max(worst, abs(error))
            print('| %d %s | %.0f | %.0f | %+.2f %% | %d |' % (
                rate, unit, m.came * per, m.passed * per, 100 * error, len(sources)), flush=True)
    print('the worst is off by %.2f %%' % (100 * worst))
    sys.exit(worst > 0.03)


if __name__ == '__main__':
    main()
