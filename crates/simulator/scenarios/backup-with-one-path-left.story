# Adverts are dropped by a firewall, the link of the adverts is cut in both directions, and the second link is all that is
# left: the backups hear the master there, and keep quiet.
network ipv4 vrrp3 multicast interval 300ms
second link unicast
routers 2 with 1 addresses
node a priority 200 lease heartbeats-with-key
node b priority 150 lease heartbeats-with-key
node c priority 100 lease heartbeats-with-key
hosts 1
seed 5
at 5s for 30s b does not hear adverts of a
at 10s for 10s a is cut off
expect at 9s b is backup
expect at 12s b is backup
expect at 12s c is backup
expect at 19s a is master
expect at 19s b is backup
expect two holders for at most 0s
