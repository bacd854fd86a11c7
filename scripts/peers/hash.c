/* hash KEYS SEED BURST: DPDK's rte_hash with KEYS random keys of 16 bytes; bursts of BURST (up to 64) random present keys
 * looked up with rte_hash_lookup_bulk, which says where each key is and no more.
 *
 * Prints one line: cycles of the time-stamp counter per lookup, the median of 9 rounds of a million lookups.
 * Exits with 1 and a message when a key is not found.
 *
 *   cc -O3 -march=native $(pkg-config --cflags libdpdk) hash.c -o hash $(pkg-config --libs libdpdk)
 *   ./hash 1000000 1 32
 *
 * The table has its default hash, which is CRC-32C by instruction on x86-64, one thread, no locks, and room for a third more
 * keys than there are, as its documentation asks for (it may refuse keys before it is full). The keys that are asked for lie one
 * after the other, as in a burst of packets: what misses the cache is the table. */

#include "peer.h"

#include <rte_hash.h>

#define KEY 16
#define LOOKUPS (1 << 20)
#define ROUNDS 9

int main(int argc, char **argv)
{
	if (argc != 4)
		fail("usage: hash KEYS SEED BURST");
	uint64_t keys = number(argv[1], "KEYS: expected a number from 1 up");
	uint64_t state = number(argv[2], "SEED: expected a number from 1 up");
	uint64_t burst = number(argv[3], "BURST: expected a number from 1 up");
	if (burst > RTE_HASH_LOOKUP_BULK_MAX)
		fail("BURST: at most 64");
	start();

	struct rte_hash_parameters shape = { .name = "peer", .entries = keys + keys / 3 + 8, .key_len = KEY };
	struct rte_hash *table = rte_hash_create(&shape);
	uint64_t(*all)[2] = rte_malloc(NULL, keys * KEY, 64);
	uint64_t(*asked)[2] = rte_malloc(NULL, (uint64_t)LOOKUPS * KEY, 64);
	if (!table || !all || !asked)
		fail("no memory: reserve more huge pages");
	for (uint64_t i = 0; i < keys; i++) {
		all[i][0] = next_random(&state);
		all[i][1] = next_random(&state);
		if (rte_hash_add_key(table, all[i]) < 0)
			fail("rte_hash refused a key");
	}
	for (int i = 0; i < LOOKUPS; i++)
		memcpy(asked[i], all[next_random(&state) % keys], KEY);

	double spent[ROUNDS];
	uint64_t found = 0, wanted = 0;
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t before = rte_rdtsc_precise();
		for (uint64_t first = 0; first + burst <= LOOKUPS; first += burst) {
			const void *pointers[RTE_HASH_LOOKUP_BULK_MAX];
			int32_t places[RTE_HASH_LOOKUP_BULK_MAX];
			for (uint64_t i = 0; i < burst; i++)
				pointers[i] = asked[first + i];
			rte_hash_lookup_bulk(table, pointers, burst, places);
			for (uint64_t i = 0; i < burst; i++)
				found += places[i] >= 0;
		}
		wanted += LOOKUPS / burst * burst;
		spent[round] = (double)(rte_rdtsc_precise() - before) / (LOOKUPS / burst * burst);
	}
	if (found != wanted)
		fail("keys that are there were not found");
	printf("%.2f\n", median(spent, ROUNDS));
	rte_hash_free(table);
	rte_eal_cleanup();
	return 0;
}
