/* SPDX-License-Identifier: MIT */
/* Addresses from text and into text. */
#include <net/if.h>

#include "test_net.h"

/* Text in, text out. */
static void assert_says(const char *text, const char *expected)
{
	char said[AION_ADDRESS_TEXT_SIZE];
	struct aion_address address, again;

	assert_result(aion_address_parse(text, 80, &address), 0);
	assert_result(aion_address_format(&address, said, sizeof(said)), (int64_t)strlen(expected));
	cr_assert_str_eq(said, expected);
	assert_result(aion_address_parse(said, 1, &again), 0);
	cr_assert(aion_address_is_equal(&address, &again), "%s", text);
}

Test(address_text, all_forms_are_read_and_written)
{
	assert_says("127.0.0.1", "127.0.0.1:80");
	assert_says("127.0.0.1:0", "127.0.0.1:0");
	assert_says("255.255.255.255:65535", "255.255.255.255:65535");
	assert_says("::1", "[::1]:80");
	assert_says("[::1]", "[::1]:80");
	assert_says("[::1]:443", "[::1]:443");
	assert_says("2001:db8::7", "[2001:db8::7]:80");
	assert_says("::ffff:1.2.3.4", "[::ffff:1.2.3.4]:80");
	assert_says("*", "[::]:80");
	assert_says("*:8080", "[::]:8080");
	assert_says("/run/x.sock", "/run/x.sock");
	assert_says("./a:b", "./a:b");
	assert_says("@a:b/c", "@a:b/c");
}

Test(address_text, a_zone_is_a_number_or_a_name)
{
	struct aion_address address, other;
	char said[AION_ADDRESS_TEXT_SIZE];

	assert_result(aion_address_parse("[fe80::1%3]:80", 0, &address), 0);
	cr_assert_eq(address.in6.sin6_scope_id, 3);
	assert_result(aion_address_format(&address, said, sizeof(said)), 14);
	cr_assert_str_eq(said, "[fe80::1%3]:80");
	assert_result(aion_address_parse("[fe80::1%4]:80", 0, &other), 0);
	cr_assert(!aion_address_is_equal(&address, &other));
	if (if_nametoindex("lo")) {
		assert_result(aion_address_parse("fe80::1%lo", 80, &address), 0);
		cr_assert_eq(address.in6.sin6_scope_id, if_nametoindex("lo"));
	}
	assert_result(aion_address_parse("fe80::1%no-such-link", 80, &address), -ENODEV);
	assert_result(aion_address_parse("fe80::1%7x", 80, &address), -ENODEV);
	assert_result(aion_address_parse("fe80::1%", 80, &address), -EINVAL);
}

Test(address_text, what_is_no_address_is_refused)
{
	const char *const wrong[] = {
		"",
		"localhost",
		"localhost:80",
		"127.0.0.1:",
		"127.0.0.1:65536",
		"127.0.0.1:-1",
		"127.0.0.1:1x",
		"127.0.0",
		"[::1",
		"[::1]x",
		"[::1]:",
		"[127.0.0.1]:80",
		"1.2.3.4.5:1",
		":80",
		"1:2:3",
		"::1::2",
		"*:x",
		"[]",
		"127.0.0.1: 1",
		"127.0.0.1:4294967297",
		"[::1]:80]",
		"%1",
		"[*]:80",
		"@",
	};
	struct aion_address address = {.size = 77};
	char long_text[300];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		cr_assert_eq(aion_address_parse(wrong[i], 80, &address), -EINVAL, "\"%s\"", wrong[i]);
	memset(long_text, '1', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = 0;
	assert_result(aion_address_parse(long_text, 80, &address), -EINVAL);
	long_text[3] = ':';
	assert_result(aion_address_parse(long_text, 80, &address), -EINVAL);
	long_text[3] = '/';
	assert_result(aion_address_parse(long_text, 80, &address), -ENAMETOOLONG);
	long_text[0] = '@';
	assert_result(aion_address_parse(long_text, 80, &address), -ENAMETOOLONG);
	cr_assert_eq(address.size, 77);
}

Test(address_text, unix_names_have_their_limits)
{
	struct aion_address address, other;
	char name[109], said[AION_ADDRESS_TEXT_SIZE];

	memset(name, 'n', sizeof(name));
	name[108] = 0;
	assert_result(aion_address_unix(name, &address), -ENAMETOOLONG);
	assert_result(aion_address_abstract(name, 108, &address), -ENAMETOOLONG);
	name[107] = 0;
	assert_result(aion_address_unix(name, &address), 0);
	cr_assert_eq(address.size, sizeof(struct sockaddr_un));
	assert_result(aion_address_format(&address, said, sizeof(said)), 109);
	assert_result(aion_address_abstract(name, 107, &address), 0);
	cr_assert_eq(address.size, sizeof(struct sockaddr_un));
	assert_result(aion_address_format(&address, said, sizeof(said)), 108);
	assert_result(aion_address_unix("", &address), -EINVAL);
	assert_result(aion_address_abstract("x", 0, &address), -EINVAL);
	/* Any bytes make an abstract name, and each counts. */
	assert_result(aion_address_abstract("a\0\n", 3, &address), 0);
	assert_result(aion_address_format(&address, said, sizeof(said)), 4);
	cr_assert_str_eq(said, "@a??");
	assert_result(aion_address_abstract("a\0", 2, &other), 0);
	cr_assert(!aion_address_is_equal(&address, &other));
	/* An unnamed one. */
	address.size = sizeof(sa_family_t);
	assert_result(aion_address_format(&address, said, sizeof(said)), 1);
	cr_assert_str_eq(said, "@");
	/* The kernel counts a path's 0 or does not. */
	assert_result(aion_address_unix("/p", &address), 0);
	assert_result(aion_address_set(&address.any, address.size - 1, &other), 0);
	cr_assert(aion_address_is_equal(&address, &other));
}

/* However it came about: whoever takes the text again gets to the same place. */
Test(address_text, paths_stay_paths)
{
	static const struct {
		const char *path, *text;
	} cases[] = {{"x.sock", "./x.sock"},
		     {"@x", "./@x"},
		     {"@x/y", "./@x/y"},
		     {"127.0.0.1:80", "./127.0.0.1:80"},
		     {"a/b", "a/b"},
		     {"./x.sock", "./x.sock"},
		     {"*", "./*"}};
	struct aion_address address, again;
	char said[AION_ADDRESS_TEXT_SIZE], name[109];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_result(aion_address_unix(cases[i].path, &address), 0);
		assert_result(aion_address_format(&address, said, sizeof(said)), (int64_t)strlen(cases[i].text));
		cr_assert_str_eq(said, cases[i].text);
		assert_result(aion_address_parse(said, 1, &again), 0);
		cr_assert_eq(again.any.sa_family, AF_UNIX);
		cr_assert_neq(again.un.sun_path[0], 0, "it is no abstract name");
	}
	/* The longest that the kernel gives, without a 0. */
	memset(name, 'n', sizeof(name));
	address = (struct aion_address){.size = sizeof(struct sockaddr_un)};
	address.un.sun_family = AF_UNIX;
	memcpy(address.un.sun_path, name, sizeof(address.un.sun_path));
	assert_result(aion_address_format(&address, said, sizeof(said)), 110);
}

Test(address_text, parts_are_read_and_changed)
{
	struct aion_address address, other;
	char said[AION_ADDRESS_TEXT_SIZE];

	assert_result(aion_address_ip(NULL, 7, &address), 0);
	cr_assert_eq(address.any.sa_family, AF_INET6);
	cr_assert_eq(aion_address_port(&address), 7);
	assert_result(aion_address_set_port(&address, 8), 0);
	cr_assert_eq(aion_address_port(&address), 8);
	assert_result(aion_address_ip("127.0.0.1", 7, &address), 0);
	cr_assert_eq(aion_address_port(&address), 7);
	other = address;
	assert_result(aion_address_set_port(&other, 70), 0);
	cr_assert(!aion_address_is_equal(&address, &other));
	assert_result(aion_address_set_port(&other, 7), 0);
	cr_assert(aion_address_is_equal(&address, &other));
	assert_result(aion_address_unix("/p", &other), 0);
	cr_assert(!aion_address_is_equal(&address, &other));
	cr_assert_eq(aion_address_port(&other), 0);
	assert_result(aion_address_set_port(&other, 7), -EAFNOSUPPORT);
	/* Too small for text. */
	memset(said, 'x', sizeof(said));
	assert_result(aion_address_format(&address, said, 11), -ENOSPC);
	cr_assert_eq(said[0], 0);
	assert_result(aion_address_format(&address, NULL, 0), -ENOSPC);
	assert_result(aion_address_format(&address, said, 12), 11);
	/* None, and what no system call gives. */
	other = (struct aion_address){0};
	assert_result(aion_address_format(&other, said, sizeof(said)), -EAFNOSUPPORT);
	assert_result(aion_address_set(&address.any, sizeof(struct sockaddr_in) - 1, &other), -EINVAL);
	assert_result(aion_address_set(&address.any, 1, &other), -EINVAL);
	assert_result(aion_address_set(&address.any, sizeof(struct sockaddr_storage) + 1, &other), -EINVAL);
}
