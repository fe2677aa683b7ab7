# One link, and the backup does not hear the master. It takes over, and says with each of its first adverts that it hears
# nobody: the better one, which is heard by nobody, gives way an interval later, and does not come back before it is heard.
network ipv4 vrrp3 multicast interval 300ms
routers 1 with 1 addresses
node a priority 200 lease heartbeats
node b priority 100 lease heartbeats
hosts 1
seed 5
at 10s for 20s b does not hear a
expect at 13s a is backup
expect at 13s b is master
expect at 29s b is master
expect at 36s a is master
expect two holders for at most 350ms
