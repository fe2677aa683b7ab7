# The kernel of the best router refuses the address: it steps back, the next one serves, and half a minute later the
# first tries again.
network ipv4 vrrp3 multicast interval 1s
routers 1 with 1 addresses
node a priority 200
node b priority 100
hosts 1
seed 12
at 0s for 10s kernel of a refuses addresses
expect at 6s a is fault
expect at 8s b is master
expect at 40s a is master
expect two holders for at most 20ms
