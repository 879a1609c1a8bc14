/* SPDX-License-Identifier: MIT */
/* Numbers, and getaddrinfo() on a worker thread. */
#include "test_resolve.h"

#include "fault_int.h"

static int64_t resolve(const char *host, const char *service, int family, struct aion_address *ret_addresses)
{
	const struct aion_resolve_query query = {.host = host, .service = service, .family = family};

	return aion_resolve(NULL, &query, ret_addresses, TEST_ADDRESS_MAX);
}

TASK_TEST(resolve_numeric, numbers_are_answered_without_a_worker)
{
	struct aion_address addresses[TEST_ADDRESS_MAX];
	uint64_t worker_nr = test_stats().worker_nr;

	assert_result(resolve("127.0.0.1", "80", 0, addresses), 1);
	cr_assert_str_eq(test_address_text(addresses), "127.0.0.1 80");
	assert_result(resolve("::1", "65535", 0, addresses), 1);
	cr_assert_str_eq(test_address_text(addresses), "::1 65535");
	assert_result(resolve("192.0.2.7", NULL, AF_INET, addresses), 1);
	cr_assert_str_eq(test_address_text(addresses), "192.0.2.7 0");
	assert_result(resolve("::1", "1", AF_INET, addresses), -ENODATA);
	assert_result(resolve("127.0.0.1", "1", AF_INET6, addresses), -ENODATA);
	cr_assert_eq(test_stats().worker_nr, worker_nr);
	/* Of families that are none getaddrinfo() says so. */
	assert_result(resolve("127.0.0.1", "1", AF_UNIX, addresses), -EAFNOSUPPORT);
	assert_result(resolve("127.0.0.1", "1", 999, addresses), -EAFNOSUPPORT);
}

TASK_TEST(resolve_numeric, only_what_fits_is_written)
{
	const struct aion_resolve_query query = {.host = "127.0.0.1", .service = "1"};
	struct aion_address address;

	memset(&address, 0x55, sizeof(address));
	assert_result(aion_resolve(NULL, &query, &address, 0), 0);
	for (size_t i = 0; i < sizeof(address); i++)
		cr_assert_eq(((char *)&address)[i], 0x55);
}

TASK_TEST(resolve_numeric, questions_that_are_none_are_refused)
{
	struct aion_address addresses[TEST_ADDRESS_MAX];
	char name[300];

	assert_result(resolve(NULL, NULL, 0, addresses), -EINVAL);
	memset(name, 'a', sizeof(name));
	name[254] = 0;
	assert_result(resolve(name, "1", 0, addresses), -ENAMETOOLONG);
	name[64] = 0;
	assert_result(resolve("x.test", name, 0, addresses), -ENAMETOOLONG);
	cr_assert_eq(fake_look().call_nr, 0);
}

/* libc takes 70000 for port 4464, and no text for port 0. */
TASK_TEST(resolve_numeric, numbers_that_are_no_ports_are_no_services)
{
	static const char *const services[] = {"65536", "70000", "4294967376", "99999999999999999999", "-1", "", " 80"};
	struct aion_address addresses[TEST_ADDRESS_MAX];

	for (size_t i = 0; i < sizeof(services) / sizeof(*services); i++) {
		assert_result(resolve("127.0.0.1", services[i], 0, addresses), -ENXIO);
		assert_result(resolve("x.test", services[i], 0, addresses), -ENXIO);
		assert_result(resolve(NULL, services[i], AF_INET, addresses), -ENXIO);
	}
	cr_assert_eq(fake_look().call_nr, 0);
	assert_result(resolve("127.0.0.1", "00080", 0, addresses), 1);
	cr_assert_str_eq(test_address_text(addresses), "127.0.0.1 80");
}

TASK_TEST(resolve_numeric, cancelled_scope_refuses)
{
	struct aion_address addresses[TEST_ADDRESS_MAX];
	struct aion_scope scope;

	test_enter_cancelled(&scope);
	assert_result(resolve("127.0.0.1", "80", 0, addresses), -ECANCELED);
	assert_result(resolve("x.test", "80", 0, addresses), -ECANCELED);
	aion_scope_leave(&scope);
	cr_assert_eq(fake_look().call_nr, 0);
}

Test(resolve_numeric, outside_of_tasks_refuses)
{
	struct aion_address addresses[TEST_ADDRESS_MAX];

	assert_result(resolve("127.0.0.1", "80", 0, addresses), -EBUSY);
	assert_result(resolve("x.test", "80", 0, addresses), -EBUSY);
}

TASK_TEST(resolve_system, names_and_services_come_from_files)
{
	struct aion_address addresses[TEST_ADDRESS_MAX];
	uint64_t worker_nr = test_stats().worker_nr;
	struct servent *http = getservbyname("http", "tcp");

	assert_result(resolve("localhost", "8080", AF_INET, addresses), 1);
	cr_assert_str_eq(test_address_text(addresses), "127.0.0.1 8080");
	cr_assert_eq(test_stats().worker_nr, worker_nr + 1);
	if (!http)
		return;
	assert_result(resolve("127.0.0.1", "http", 0, addresses), 1);
	cr_assert_str_eq(test_address_text(addresses), "127.0.0.1 80");
}

TASK_TEST(resolve_system, no_host_is_this_machine)
{
	const struct aion_resolve_query passive = {.service = "80", .family = AF_INET, .flags = AI_PASSIVE};
	struct aion_address addresses[TEST_ADDRESS_MAX];

	assert_result(resolve(NULL, "80", AF_INET, addresses), 1);
	cr_assert_str_eq(test_address_text(addresses), "127.0.0.1 80");
	assert_result(aion_resolve(NULL, &passive, addresses, 1), 1);
	cr_assert_str_eq(test_address_text(addresses), "0.0.0.0 80");
}

TASK_TEST(resolve_system, mapped_addresses_are_made_by_getaddrinfo)
{
	const struct aion_resolve_query query = {
		.host = "127.0.0.1", .service = "80", .family = AF_INET6, .flags = AI_V4MAPPED};
	struct aion_address address;

	assert_result(aion_resolve(NULL, &query, &address, 1), 1);
	cr_assert_str_eq(test_address_text(&address), "::ffff:127.0.0.1 80");
}

TASK_TEST(resolve_system, order_stays_and_what_does_not_fit_is_dropped)
{
	const struct aion_resolve_query query = {.host = "many.test", .service = "7"};
	struct aion_address addresses[TEST_ADDRESS_MAX];
	char text[64];

	fake_answer(0, 0, 70);
	assert_result(aion_resolve(NULL, &query, addresses, 3), 3);
	assert_result(aion_resolve(NULL, &query, addresses, 0), 0);
	assert_result(aion_resolve(NULL, &query, addresses, TEST_ADDRESS_MAX), AION_RESOLVE_MAX);
	for (int i = 0; i < AION_RESOLVE_MAX; i++) {
		snprintf(text, sizeof(text), "127.0.1.%d 7", i + 1);
		cr_assert_str_eq(test_address_text(&addresses[i]), text);
	}
}

TASK_TEST(resolve_system, every_error_of_getaddrinfo_has_its_own)
{
	static const struct {
		int eai;
		int system_error;
		int64_t result;
	} cases[] = {
		{EAI_NONAME, 0, -ENXIO},        {EAI_NODATA, 0, -ENODATA},           {EAI_ADDRFAMILY, 0, -ENODATA},
		{EAI_AGAIN, 0, -EAGAIN},        {EAI_FAIL, 0, -EREMOTEIO},           {EAI_SERVICE, 0, -EPROTONOSUPPORT},
		{EAI_FAMILY, 0, -EAFNOSUPPORT}, {EAI_SOCKTYPE, 0, -ESOCKTNOSUPPORT}, {EAI_BADFLAGS, 0, -EINVAL},
		{EAI_IDN_ENCODE, 0, -EILSEQ},   {EAI_OVERFLOW, 0, -ENAMETOOLONG},    {EAI_MEMORY, 0, -ENOMEM},
		{EAI_SYSTEM, EMFILE, -EMFILE},  {EAI_SYSTEM, 0, -EREMOTEIO},         {-999, 0, -EREMOTEIO},
	};
	struct aion_address addresses[TEST_ADDRESS_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake_answer(cases[i].eai, cases[i].system_error, 0);
		errno = 4711;
		assert_result(resolve("x.test", "1", 0, addresses), cases[i].result);
		cr_assert_eq(errno, 4711);
		cr_assert_gt(strlen(aion_resolve_error(cases[i].result)), 5);
	}
}

TASK_TEST(resolve_system, real_getaddrinfo_refuses)
{
	struct aion_resolve_query query = {.host = "127.0.0.1", .service = "no-such-service"};
	struct aion_address address;

	assert_result(aion_resolve(NULL, &query, &address, 1), -EPROTONOSUPPORT);
	query = (struct aion_resolve_query){.host = "not a number", .service = "1", .flags = AI_NUMERICHOST};
	assert_result(aion_resolve(NULL, &query, &address, 1), -ENXIO);
	query = (struct aion_resolve_query){.host = "localhost", .service = "1", .family = 99};
	assert_result(aion_resolve(NULL, &query, &address, 1), -EAFNOSUPPORT);
	query = (struct aion_resolve_query){.host = "localhost", .service = "1", .type = 99};
	assert_result(aion_resolve(NULL, &query, &address, 1), -ESOCKTNOSUPPORT);
	query = (struct aion_resolve_query){.host = "localhost", .service = "1", .flags = 0x40000000};
	assert_result(aion_resolve(NULL, &query, &address, 1), -EINVAL);
}

/* Where no name server answers that takes as long as resolv.conf says; who asks does not wait for it. */
TASK_TEST(resolve_system, name_that_does_not_resolve)
{
	struct aion_address addresses[TEST_ADDRESS_MAX];
	struct aion_scope scope;
	int64_t result;

	setenv("RES_OPTIONS", "timeout:1 attempts:1", 1);
	aion_scope_enter(&scope, aion_after(50 * AION_MILLISECOND));
	result = resolve("name.invalid", "80", 0, addresses);
	if (aion_scope_leave(&scope) == -ETIME)
		assert_result(result, -ECANCELED);
	else
		cr_assert(result == -ENXIO || result == -EAGAIN || result == -EREMOTEIO, "%lld", (long long)result);
}

TASK_TEST(resolve_system, texts_are_for_people)
{
	cr_assert_str_eq(aion_resolve_error(0), "no error");
	cr_assert_str_eq(aion_resolve_error(3), "no error");
	cr_assert(strstr(aion_resolve_error(-ENXIO), "no such host"));
	cr_assert_str_eq(aion_resolve_error(-EPERM), "Operation not permitted");
	cr_assert_str_eq(aion_resolve_error(-4000), "unknown error");
	cr_assert_str_eq(aion_resolve_error(INT64_MIN), "unknown error");
}

static int64_t deadline_passes(void *unused)
{
	const struct aion_resolve_query query = {.host = "slow.test", .service = "1"};
	struct aion_address address;
	struct aion_scope scope;

	(void)unused;
	fake_answer(0, 0, 1);
	fake_hold();
	aion_scope_enter(&scope, aion_after(2 * AION_MILLISECOND));
	assert_result(aion_resolve(NULL, &query, &address, 1), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	fake_release(); /* the loop waits for the thread as it is destroyed */
	return 0;
}

Test(resolve_system, who_leaves_leaves_at_once_and_nothing_leaks)
{
	TEST_NEEDS_KERNEL("a thread stays in the call until it is told to end");
	test_allocator_count();
	cr_assert_eq(aion_run(deadline_passes, NULL, NULL), 0);
	cr_assert_eq(test_allocator_in_use_nr(), 0);
}

TASK_TEST(resolve_system, no_thread)
{
	struct aion_address addresses[TEST_ADDRESS_MAX];

	TEST_NEEDS_KERNEL("a simulated machine has no threads");
#ifdef AION_FAULTS
	aion__fault_arm(AION__FAULT_THREAD_CREATE, 0, 100, -EAGAIN);
	assert_result(resolve("x.test", "1", 0, addresses), -EAGAIN);
	aion__fault_reset();
	cr_assert_eq(fake_look().call_nr, 0);
#endif
	fake_answer(0, 0, 1);
	assert_result(resolve("x.test", "1", 0, addresses), 1);
}

#ifdef AION_FAULTS
static int64_t without_memory(void *unused)
{
	struct aion_address addresses[TEST_ADDRESS_MAX];
	int64_t result;
	unsigned after = 0;

	(void)unused;
	fake_answer(0, 0, 2);
	assert_result(resolve("x.test", "1", 0, addresses), 2); /* the workers have what they need */
	do {
		aion__fault_arm(AION__FAULT_ALLOC, after, 1, -ENOMEM);
		result = resolve("x.test", "1", 0, addresses);
		aion__fault_reset();
		if (result < 0)
			assert_result(result, -ENOMEM);
		else
			assert_result(result, 2);
	} while (result < 0 && after++ < 50);
	cr_assert_geq(after, 3, "the look-up, the call, the addresses");
	return 0;
}

Test(resolve_system, no_memory)
{
	test_allocator_count();
	cr_assert_eq(aion_run(without_memory, NULL, NULL), 0);
	cr_assert_eq(test_allocator_in_use_nr(), 0);
}
#endif
