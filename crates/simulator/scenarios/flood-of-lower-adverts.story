# A router of lower priority that does not hear the master advertises forty times as often. The master answers eight
# adverts in an interval of its own and not every one: whoever floods it does not make it flood the others.
network ipv4 vrrp3 multicast interval 4s
routers 1 with 1 addresses
node a priority 200
node b priority 100 interval 100ms
hosts 1
seed 22
at 40s for 60s b does not hear a
expect at 30s a is master
expect at 60s a is master
expect at 60s b is master
expect at 120s b is backup
