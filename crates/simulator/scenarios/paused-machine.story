# A virtual machine stands still with its clock. It holds nothing meanwhile; afterwards it believes nothing happened,
# until it hears the new master, at the latest one interval later.
network ipv4 vrrp3 multicast interval 1s
routers 1 with 1 addresses
node a priority 100 nopreempt
node b priority 90 nopreempt
hosts 1
seed 11
at 10s for 8s a is paused with its clock stopped
expect at 16s b is master
expect at 20s a is master
expect two holders for at most 1100ms
