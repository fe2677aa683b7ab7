# One link, and the backup does not hear the master. It takes over, and says at once and with its next advert that it hears
# nobody: the better one, which is heard by nobody, gives way. Who is heard holds.
network ipv4 vrrp3 multicast interval 1s
routers 1 with 1 addresses
node a priority 200 lease heartbeats
node b priority 100 lease heartbeats
hosts 1
seed 5
at 10s for 20s b does not hear a
expect at 16s a is backup
expect at 16s b is master
expect at 29s b is master
expect at 36s a is master
expect two holders for at most 1100ms
