# The backup hears nothing of the master, the master hears everything of the backup.
network ipv4 vrrp3 multicast interval 1s
routers 1 with 1 addresses
node a priority 200
node b priority 100
hosts 1
seed 4
at 10s for 10s b does not hear a
expect at 15s a is master
expect at 15s b is master
expect at 22s b is backup
expect two holders for at least 6s
