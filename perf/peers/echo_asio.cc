// SPDX-License-Identifier: MIT
// Echo by Boost.Asio, as its coroutine examples have it: a C++20 coroutine a connection, one thread.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <utility>
#include <vector>

#include <boost/asio.hpp>

#include "echo.h"

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr std::size_t buffer_size_min = 2048;

struct Server {
	const echo_setup *setup;
	asio::io_context context{1}; // one thread runs it
	std::uint64_t ended_nr = 0;
};

asio::awaitable<void> echo(Server &server, tcp::socket socket)
{
	std::vector<char> data(std::max(server.setup->message_size, buffer_size_min));

	try {
		for (;;) {
			std::size_t received =
				co_await socket.async_read_some(asio::buffer(data), asio::use_awaitable);
			co_await asio::async_write(socket, asio::buffer(data.data(), received), asio::use_awaitable);
		}
	} catch (const boost::system::system_error &) {
		// The client has closed the connection.
	}
	if (++server.ended_nr == server.setup->end_nr)
		server.context.stop();
}

asio::awaitable<void> listen(Server &server)
{
	tcp::acceptor acceptor(server.context, tcp::v4(), server.setup->listen_fd);

	for (;;) {
		tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
		asio::co_spawn(server.context, echo(server, std::move(socket)), asio::detached);
	}
}

} // namespace

extern "C" void echo_serve_asio(const echo_setup *setup)
{
	try {
		Server server{setup};

		asio::co_spawn(server.context, listen(server), asio::detached);
		server.context.run();
	} catch (const std::exception &error) {
		std::fprintf(stderr, "asio: %s\n", error.what());
		std::exit(1);
	}
}
