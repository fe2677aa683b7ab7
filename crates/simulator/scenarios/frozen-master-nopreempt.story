# The same, and the one that took over has the higher address and the same priority: the sleeper hears it before it
# says a word, and yields. Nobody moves a second time.
network ipv4 vrrp3 multicast interval 1s
routers 1 with 1 addresses
node a priority 100 nopreempt
node b priority 100 nopreempt
node c priority 90 nopreempt
hosts 1
seed 5
at 10s for 6s b freezes
at 10s for 6s c freezes
expect two holders for at most 100ms
