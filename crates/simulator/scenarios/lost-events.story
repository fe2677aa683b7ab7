# The kernel's events overflow the socket; the listing that follows changes nothing.
network ipv4 vrrp3 multicast interval 1s
routers 1 with 1 addresses
node a priority 200
node b priority 100
hosts 1
seed 8
at 3s for 4s kernel of a loses events
at 5s for 4s kernel of b loses events
expect at 8s a is master
expect at 12s a is master
expect at 12s b is backup
expect two holders for at most 0s
