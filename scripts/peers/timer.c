/* timer PENDING SEED: DPDK's rte_timer with PENDING timers due at random within ten seconds, none of them expiring here.
 *
 * Prints three lines, cycles of the time-stamp counter per operation, medians of 3 rounds of 100,000 operations:
 *   arm N      a timer that was not pending is armed (rte_timer_reset)
 *   rearm N    one of the pending timers, at random, gets another deadline (rte_timer_reset)
 *   cancel N   one of the pending timers, at random, is stopped (rte_timer_stop)
 *
 *   cc -O3 -march=native $(pkg-config --cflags libdpdk) timer.c -o timer $(pkg-config --libs libdpdk)
 *   ./timer 1000000 1
 *
 * As benches/timer.rs: the same number, span and batch; which timers and which deadlines is drawn before the clock starts. */

#include "peer.h"

#include <rte_lcore.h>
#include <rte_timer.h>

#define BATCH 100000
#define ROUNDS 3

static uint64_t state, span;
static unsigned core;

static void never(struct rte_timer *timer, void *argument)
{
	(void)timer;
	(void)argument;
	fail("a timer fired");
}

static void arm(struct rte_timer *timer, uint64_t ticks)
{
	if (rte_timer_reset(timer, ticks, SINGLE, core, never, NULL) != 0)
		fail("a timer could not be armed");
}

static double per_operation(uint64_t before)
{
	return (double)(rte_rdtsc_precise() - before) / BATCH;
}

int main(int argc, char **argv)
{
	if (argc != 3)
		fail("usage: timer PENDING SEED");
	uint64_t pending = number(argv[1], "PENDING: expected a number from 1 up");
	state = number(argv[2], "SEED: expected a number from 1 up");
	if (pending < BATCH)
		fail("PENDING: at least 100000");
	start();
	core = rte_lcore_id();
	span = 10 * rte_get_timer_hz();
	if (rte_timer_subsystem_init() != 0)
		fail("rte_timer does not start");

	struct rte_timer *timers = rte_zmalloc(NULL, (pending + BATCH) * sizeof *timers, 64);
	uint64_t *ticks = rte_malloc(NULL, BATCH * sizeof *ticks, 64);
	uint64_t *which = rte_malloc(NULL, BATCH * sizeof *which, 64);
	unsigned char *taken = rte_malloc(NULL, pending, 64);
	if (!timers || !ticks || !which || !taken)
		fail("no memory: reserve more huge pages");
	for (uint64_t i = 0; i < pending + BATCH; i++)
		rte_timer_init(&timers[i]);
	for (uint64_t i = 0; i < pending; i++)
		arm(&timers[i], next_random(&state) % span);

	double arms[ROUNDS], rearms[ROUNDS], cancels[ROUNDS];
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < BATCH; i++)
			ticks[i] = next_random(&state) % span;
		uint64_t before = rte_rdtsc_precise();
		for (int i = 0; i < BATCH; i++)
			arm(&timers[pending + i], ticks[i]);
		arms[round] = per_operation(before);
		for (int i = 0; i < BATCH; i++)
			rte_timer_stop(&timers[pending + i]);

		for (int i = 0; i < BATCH; i++) {
			ticks[i] = next_random(&state) % span;
			which[i] = next_random(&state) % pending;
		}
		before = rte_rdtsc_precise();
		for (int i = 0; i < BATCH; i++)
			arm(&timers[which[i]], ticks[i]);
		rearms[round] = per_operation(before);

		/* Each of them pending, none twice. */
		memset(taken, 0, pending);
		for (int i = 0; i < BATCH; i++) {
			do
				which[i] = next_random(&state) % pending;
			while (taken[which[i]]++);
		}
		before = rte_rdtsc_precise();
		for (int i = 0; i < BATCH; i++)
			rte_timer_stop(&timers[which[i]]);
		cancels[round] = per_operation(before);
		for (int i = 0; i < BATCH; i++)
			arm(&timers[which[i]], next_random(&state) % span);
	}
	printf("arm %.2f\nrearm %.2f\ncancel %.2f\n", median(arms, ROUNDS), median(rearms, ROUNDS), median(cancels, ROUNDS));
	rte_eal_cleanup();
	return 0;
}
