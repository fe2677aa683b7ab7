# A router of lower priority that does not hear the master advertises a little more often, for minutes. The master answers
# each of its adverts to the end: the first one it can hear ends the contest.
network ipv4 vrrp3 multicast interval 1s
routers 1 with 1 addresses
node a priority 200
node b priority 100 interval 900ms
hosts 1
seed 23
at 20s for 180s b does not hear a
expect at 15s b is backup
expect at 100s b is master
expect at 100s a is master
expect at 210s b is backup
expect at 210s a is master
