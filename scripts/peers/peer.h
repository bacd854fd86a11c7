/* What the peers share: DPDK started on one CPU with nothing left behind, numbers as good as random, medians.
 *
 * `--in-memory`: no files, no sockets, and huge pages that are the system's again when the process ends. A peer takes as many
 * pages of 2 MB as it needs from those that are free; PEER_HUGE=no does without. PEER_CPU is its CPU (default: the last). */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_malloc.h>

static inline void fail(const char *what)
{
	fprintf(stderr, "%s\n", what);
	exit(1);
}

static inline void start(void)
{
	const char *huge = getenv("PEER_HUGE"), *wanted = getenv("PEER_CPU");
	static char cpu[16];
	snprintf(cpu, sizeof cpu, "%ld", wanted ? atol(wanted) : sysconf(_SC_NPROCESSORS_ONLN) - 1);
	char *args[10] = { "peer", "-l", cpu, "--in-memory", "--no-pci", "--no-telemetry", "--log-level=error" };
	int count = 7;
	if (huge && !strcmp(huge, "no")) {
		args[3] = "--no-shconf";
		args[count++] = "--no-huge";
		args[count++] = "-m";
		args[count++] = "2048";
	}
	if (rte_eal_init(count, args) < 0)
		fail("DPDK does not start: are there free huge pages of 2 MB? PEER_HUGE=no does without");
}

static inline uint64_t number(const char *text, const char *what)
{
	char *end;
	uint64_t n = strtoull(text, &end, 0);
	if (*text == 0 || *end != 0 || n == 0)
		fail(what);
	return n;
}

/* SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). */
static inline uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static inline double median(double *values, int count)
{
	qsort(values, count, sizeof *values, by_size);
	return values[count / 2];
}
