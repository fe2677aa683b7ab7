# A router follows one that advertises five times as often, and learns its interval. Then it is master itself, and stands
# still for longer than its lease: it is a backup by its own interval again, not by the one it learned long ago.
network ipv4 vrrp3 multicast interval 1s
routers 1 with 1 addresses
node a priority 100 lease-always
node b priority 200 interval 200ms lease-always
hosts 1
seed 25
at 10s for 60s b shuts down
at 15s for 4s a freezes
expect at 9s b is master
expect at 14s a is master
expect at 20s a is backup
expect at 22s a is backup
expect at 24s a is master
expect at 80s b is master
expect two holders for at most 0s
