# A firewall on the master refuses its adverts for a while. It gives up once, stays a backup without touching the address
# while it finds out again and again that nothing leaves, and preempts when its adverts leave again.
network ipv4 vrrp3 multicast interval 1s
routers 1 with 1 addresses
node a priority 200 lease-always
node b priority 100 lease-always
hosts 2
seed 6
at 10s for 30s kernel of a refuses to send
expect at 9s a is master
expect at 13s a is backup
expect at 15s b is master
expect at 20s a is backup
expect at 30s a is backup
expect at 39s a is backup
expect at 44s a is master
expect two holders for at most 0s
