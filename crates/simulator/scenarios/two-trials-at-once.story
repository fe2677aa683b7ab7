# Two backups whose adverts were refused find out at the same moment that they leave again. What they try it with does not
# silence both: the one with the higher address goes on.
network ipv4 vrrp3 multicast interval 1s
routers 1 with 1 addresses
node a priority 100 lease-always
node b priority 100 lease-always
node c priority 200 lease-always
hosts 2
seed 11
at 1s for 24s c shuts down
at 10s for 22s kernel of b refuses to send
at 16s for 16s kernel of a refuses to send
at 40s for 20s c freezes
expect at 9s b is master
expect at 15s a is master
expect at 22s a is backup
expect at 30s c is master
expect at 45s a is backup
expect at 45s b is master
expect two holders for at most 10ms
