# The master is late. When it knows of the other one at last, it has the gate made that its lease is to close, and open on
# account of an advert of the same turn; and the kernel refuses that one. What the refused advert opened is open only as
# long as the advert before it counts. Then the master stands still, and the other one takes over by what it has heard.
network ipv4 vrrp3 multicast interval 1s
routers 1 with 1 addresses
node a priority 254 lease heartbeats
node b priority 253 lease heartbeats
hosts 1
seed 2586
at 0s for 12380ms b crashes and forgets
at 8s for 30s a is slow by 1200ms
at 13423ms for 8s kernel of a refuses to send
at 13926ms for 6s a freezes
expect at 12s a is master
expect at 18s b is master
expect two holders for at most 0s
