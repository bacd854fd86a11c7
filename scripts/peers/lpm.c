/* lpm DIR: DPDK's rte_lpm and rte_lpm6 with the prefixes and addresses that benches/routes.rs wrote to DIR (MNVKD_ROUTES_DIR).
 *
 * Prints lines `ipv4_bulk_random N`, `ipv4_bulk_drawn N`, `ipv4_x4_...`, `ipv6_bulk_...`: cycles of the time-stamp counter per
 * lookup in bursts of 64, the median of the stretches of 4096 lookups in 9 rounds over all addresses (as ours). Exits with 1 and a message when a next hop is not the one that
 * ours found.
 *
 *   cc -O3 -march=native $(pkg-config --cflags libdpdk) lpm.c -o lpm $(pkg-config --libs libdpdk)
 *
 * Both have room for all prefixes, and as many of their groups of 256 (tbl8) as these need: lookups touch no more of them than
 * are used. The files: prefixes as octets, one byte of length, four of next hop; addresses as octets; next hops in four bytes, all
 * ones for none. */

#include "peer.h"

#include <rte_byteorder.h>
#include <rte_lpm.h>
#include <rte_lpm6.h>

#define BURST 64
#define ROUNDS 9
#define STRETCH 4096

static const char *directory;

struct file {
	uint8_t *bytes;
	size_t size;
};

/* A file in memory of DPDK's, huge pages if there are any. */
static struct file read_file(const char *name)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	FILE *from = fopen(path, "rb");
	struct file file = { 0 };
	if (!from || fseek(from, 0, SEEK_END) != 0)
		fail("a file of routes or addresses cannot be read: write them with MNVKD_ROUTES_DIR=DIR cargo bench --bench routes");
	file.size = ftell(from);
	rewind(from);
	file.bytes = rte_malloc(NULL, file.size, 64);
	if (!file.bytes || fread(file.bytes, 1, file.size, from) != file.size)
		fail("a file of routes or addresses cannot be read, or there is no memory for it");
	fclose(from);
	return file;
}

static uint32_t word(const uint8_t *bytes)
{
	uint32_t word;
	memcpy(&word, bytes, sizeof word);
	return word;
}

static double *room_for(size_t stretches)
{
	double *room = malloc(stretches * sizeof *room);
	if (!room || stretches == 0)
		fail("no memory, or fewer addresses than a stretch has");
	return room;
}

static void check(const struct file *expected, size_t nth, uint32_t hop, const char *name)
{
	uint32_t wanted = word(expected->bytes + 4 * nth);
	if (hop != wanted) {
		fprintf(stderr, "%s: address %zu has next hop %d there and %d in ours\n", name, nth, (int)hop, (int)wanted);
		exit(1);
	}
}

static struct rte_lpm *table4(void)
{
	struct file prefixes = read_file("ipv4_prefixes");
	size_t count = prefixes.size / 9;
	struct rte_lpm_config shape = { .max_rules = count, .number_tbl8s = 1 << 16 };
	struct rte_lpm *table = rte_lpm_create("peer4", SOCKET_ID_ANY, &shape);
	if (!table)
		fail("no rte_lpm: reserve more huge pages");
	for (size_t i = 0; i < count; i++) {
		const uint8_t *at = prefixes.bytes + 9 * i;
		if (rte_lpm_add(table, rte_be_to_cpu_32(word(at)), at[4], word(at + 5)) != 0)
			fail("rte_lpm refused a prefix");
	}
	rte_free(prefixes.bytes);
	return table;
}

static void lookups4(const struct rte_lpm *table, const char *which)
{
	char name[64];
	snprintf(name, sizeof name, "ipv4_%s", which);
	struct file addresses = read_file(name);
	snprintf(name, sizeof name, "ipv4_%s_hops", which);
	struct file expected = read_file(name);
	uint32_t *address = (uint32_t *)addresses.bytes, hops[BURST];
	size_t count = addresses.size / 4 / BURST * BURST;
	for (size_t i = 0; i < count; i++)
		address[i] = rte_be_to_cpu_32(address[i]);
	for (size_t i = 0; i < count; i += BURST) {
		rte_lpm_lookup_bulk(table, address + i, hops, BURST);
		for (size_t k = 0; k < BURST; k++)
			check(&expected, i + k, hops[k] & RTE_LPM_LOOKUP_SUCCESS ? hops[k] & 0xffffff : UINT32_MAX, name);
	}
	size_t stretches = count / STRETCH * ROUNDS, nth = 0;
	double *bulk = room_for(stretches), *x4 = room_for(stretches);
	for (int round = 0; round < ROUNDS; round++) {
		for (size_t first = 0; first + STRETCH <= count; first += STRETCH, nth++) {
			uint64_t before = rte_rdtsc();
			for (size_t i = first; i < first + STRETCH; i += BURST) {
				rte_lpm_lookup_bulk(table, address + i, hops, BURST);
				__asm__ volatile("" : : "r"(hops) : "memory");
			}
			bulk[nth] = (double)(rte_rdtsc() - before) / STRETCH;
		}
		nth -= count / STRETCH;
		for (size_t first = 0; first + STRETCH <= count; first += STRETCH, nth++) {
			uint64_t before = rte_rdtsc();
			for (size_t i = first; i < first + STRETCH; i += BURST) {
				for (size_t k = 0; k < BURST; k += 4)
					rte_lpm_lookupx4(table, _mm_loadu_si128((void *)(address + i + k)), hops + k, UINT32_MAX);
				__asm__ volatile("" : : "r"(hops) : "memory");
			}
			x4[nth] = (double)(rte_rdtsc() - before) / STRETCH;
		}
	}
	printf("ipv4_bulk_%s %.2f\nipv4_x4_%s %.2f\n", which, median(bulk, stretches), which, median(x4, stretches));
	rte_free(addresses.bytes);
	rte_free(expected.bytes);
}

static struct rte_lpm6 *table6(void)
{
	struct file prefixes = read_file("ipv6_prefixes");
	size_t count = prefixes.size / 21;
	struct rte_lpm6_config shape = { .max_rules = count, .number_tbl8s = 1 << 18 };
	struct rte_lpm6 *table = rte_lpm6_create("peer6", SOCKET_ID_ANY, &shape);
	if (!table)
		fail("no rte_lpm6: reserve more huge pages");
	for (size_t i = 0; i < count; i++) {
		const uint8_t *at = prefixes.bytes + 21 * i;
		if (rte_lpm6_add(table, at, at[16], word(at + 17)) != 0)
			fail("rte_lpm6 refused a prefix");
	}
	rte_free(prefixes.bytes);
	return table;
}

static void lookups6(const struct rte_lpm6 *table, const char *which)
{
	char name[64];
	snprintf(name, sizeof name, "ipv6_%s", which);
	struct file addresses = read_file(name);
	snprintf(name, sizeof name, "ipv6_%s_hops", which);
	struct file expected = read_file(name);
	uint8_t(*address)[16] = (uint8_t(*)[16])addresses.bytes;
	int32_t hops[BURST];
	size_t count = addresses.size / 16 / BURST * BURST;
	for (size_t i = 0; i < count; i += BURST) {
		rte_lpm6_lookup_bulk_func(table, address + i, hops, BURST);
		for (size_t k = 0; k < BURST; k++)
			check(&expected, i + k, hops[k], name);
	}
	size_t stretches = count / STRETCH * ROUNDS, nth = 0;
	double *bulk = room_for(stretches);
	for (int round = 0; round < ROUNDS; round++) {
		for (size_t first = 0; first + STRETCH <= count; first += STRETCH, nth++) {
			uint64_t before = rte_rdtsc();
			for (size_t i = first; i < first + STRETCH; i += BURST) {
				rte_lpm6_lookup_bulk_func(table, address + i, hops, BURST);
				__asm__ volatile("" : : "r"(hops) : "memory");
			}
			bulk[nth] = (double)(rte_rdtsc() - before) / STRETCH;
		}
	}
	printf("ipv6_bulk_%s %.2f\n", which, median(bulk, stretches));
	rte_free(addresses.bytes);
	rte_free(expected.bytes);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		fail("usage: lpm DIR");
	directory = argv[1];
	start();
	struct rte_lpm *four = table4();
	lookups4(four, "random");
	lookups4(four, "drawn");
	rte_lpm_free(four);
	struct rte_lpm6 *six = table6();
	lookups6(six, "random");
	lookups6(six, "drawn");
	rte_lpm6_free(six);
	rte_eal_cleanup();
	return 0;
}
