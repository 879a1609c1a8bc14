// SPDX-License-Identifier: MIT
/*
 * Linked into every Criterion program: Criterion uses libgit2, which at the start of each program reads all of the
 * system's certificates. That takes 0.3 s, for nothing: here the function that reads them does nothing.
 */
int mbedtls_x509_crt_parse_file(void *chain, const char *path);

__attribute__((visibility("default"))) int mbedtls_x509_crt_parse_file(void *chain, const char *path)
{
	return 0;
}
