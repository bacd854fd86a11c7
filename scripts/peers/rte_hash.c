/* DPDK's rte_hash as benches/hash.rs measures ours: the same keys, in the same order, on the same CPU.
 *   cc -O3 rte_hash.c -o rte_hash $(pkg-config --cflags --libs libdpdk)
 *   ./rte_hash -l 1 --no-pci --no-telemetry -m 512 -- PASSES
 * Prints `name value unit` lines; cycles are those of the time-stamp counter. Hashed by CRC32C, its fastest function. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_malloc.h>

#define CAPACITY (1u << 20)
#define HELD 1000000u
#define CHURNED (CAPACITY / 10 * 9)
#define LOOKUPS (1u << 20)
#define BURST 64
#define PASS 500000u

struct key { uint64_t words[2]; };

static uint64_t mix(uint64_t n)
{
	uint64_t mixed = n * 0x9e3779b97f4a7c15u;
	mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
	return mixed ^ mixed >> 27;
}

static struct key key(uint64_t n) { return (struct key){{mix(2 * n + 1), mix(2 * n + 2)}}; }
static uint64_t pick(uint64_t n, uint64_t of) { return (mix(n + 0x5eed) >> 20) % of; }

static void die(const char *what) { fprintf(stderr, "rte_hash: %s\n", what); exit(1); }

static struct rte_hash *filled(uint32_t held)
{
	struct rte_hash_parameters parameters = {
		.name = "peer", .entries = CAPACITY, .key_len = sizeof(struct key), .hash_func = rte_hash_crc, .socket_id = 0,
	};
	struct rte_hash *hash = rte_hash_create(&parameters);
	if (!hash)
		die("no table: are there 512 MB of huge pages?");
	for (uint64_t n = 0; n < held; n++) {
		struct key k = key(n);
		if (rte_hash_add_key_data(hash, &k, (void *)(uintptr_t)(n + 1)))
			die("a key does not fit");
	}
	return hash;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* The pointers to keys that rte_hash wants are made beforehand, which is its best case. */
static void lookups(struct rte_hash *hash, const char *name, int there, int rounds)
{
	struct key *keys = malloc(LOOKUPS * sizeof(*keys));
	const void **pointers = malloc(LOOKUPS * sizeof(*pointers));
	double cycles[32];
	uint64_t sum = 0;
	for (uint64_t n = 0; n < LOOKUPS; n++) {
		keys[n] = key(pick(n, HELD) + (there ? 0 : HELD));
		pointers[n] = &keys[n];
	}
	for (int round = 0; round < rounds; round++) {
		uint64_t found = 0, start = rte_rdtsc();
		for (uint32_t n = 0; n < LOOKUPS; n += BURST) {
			void *data[BURST];
			uint64_t hits = 0;
			found += rte_hash_lookup_bulk_data(hash, pointers + n, BURST, &hits, data);
			for (int i = 0; i < BURST; i++)
				if (hits >> i & 1)
					sum += (uintptr_t)data[i];
		}
		cycles[round] = (double)(rte_rdtsc() - start) / LOOKUPS;
		if (found != (there ? LOOKUPS : 0))
			die("not every key was found as it should be");
	}
	qsort(cycles, rounds, sizeof(*cycles), by_value);
	printf("%s %.2f cycles\n", name, cycles[rounds / 2]);
	if (sum == 1)
		puts("#");
	free(keys);
	free(pointers);
}

static void churn(int passes)
{
	struct key *old = malloc(PASS * sizeof(*old)), *fresh = malloc(PASS * sizeof(*fresh));
	uint64_t *present = malloc(CHURNED * sizeof(*present));
	uint32_t *shortest = malloc(2 * PASS * sizeof(*shortest)), longest = 0;
	double sum = 0;
	for (uint64_t n = 0; n < CHURNED; n++)
		present[n] = n;
	for (uint64_t n = 0; n < PASS; n++) {
		uint64_t at = pick(n, CHURNED);
		old[n] = key(present[at]);
		present[at] = CHURNED + n;
		fresh[n] = key(CHURNED + n);
	}
	memset(shortest, 0xff, 2 * PASS * sizeof(*shortest));
	for (int pass = 0; pass < passes; pass++) {
		struct rte_hash *hash = filled(CHURNED);
		for (uint32_t n = 0; n < PASS; n++) {
			uint64_t start = rte_rdtsc(), middle, end;
			if (rte_hash_del_key(hash, &old[n]) < 0)
				die("a key is not there");
			middle = rte_rdtsc();
			if (rte_hash_add_key_data(hash, &fresh[n], (void *)1))
				die("a key does not fit");
			end = rte_rdtsc();
			shortest[2 * n] = RTE_MIN(shortest[2 * n], (uint32_t)(middle - start));
			shortest[2 * n + 1] = RTE_MIN(shortest[2 * n + 1], (uint32_t)(end - middle));
		}
		rte_hash_free(hash);
	}
	for (uint32_t n = 0; n < 2 * PASS; n++) {
		sum += shortest[n];
		longest = RTE_MAX(longest, shortest[n]);
	}
	printf("rte_hash_churn_1M %.2f cycles\n", sum / (2 * PASS));
	printf("rte_hash_churn_longest_1M %.0f ns\n", longest * 1e9 / rte_get_tsc_hz());
	free(old);
	free(fresh);
	free(present);
	free(shortest);
}

int main(int argc, char **argv)
{
	int used = rte_eal_init(argc, argv), passes;
	if (used < 0)
		die("EAL does not start");
	passes = argc - used > 1 ? atoi(argv[used + 1]) : 4;
	struct rte_hash *hash = filled(HELD);
	lookups(hash, "rte_hash_bulk_1M", 1, 9);
	lookups(hash, "rte_hash_bulk_absent_1M", 0, 9);
	rte_hash_free(hash);
	if (passes)
		churn(passes);
	return 0;
}
