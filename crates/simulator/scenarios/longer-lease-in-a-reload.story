# The master's file says three seconds instead of one, and at once its adverts are refused. Its gate closes by the old
# lease, because no advert has told the new one to the kernel or to the backup; it knows that, and yields.
network ipv4 vrrp3 multicast interval 1s
routers 1 with 1 addresses
node a priority 200 lease-always
node b priority 100 lease-always
hosts 1
seed 8
at 10s for 40s a reloads with interval 3s
at 10100ms for 9s kernel of a refuses to send
expect at 9s a is master
expect at 14500ms b is master
expect at 14500ms a is backup
expect two holders for at most 0s
