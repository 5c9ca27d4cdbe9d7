/// \file Endpoint to and from Asio's own type.
#pragma once
#include <boost/asio/ip/tcp.hpp>

#include "config/ip.hpp"

namespace sealpost {

[[nodiscard]] boost::asio::ip::tcp::endpoint to_asio(const Endpoint& endpoint);
[[nodiscard]] Endpoint from_asio(const boost::asio::ip::tcp::endpoint& endpoint);

}  // namespace sealpost
