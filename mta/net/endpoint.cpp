#include "mta/net/endpoint.hpp"

#include <algorithm>

namespace sealpost {

namespace ip = boost::asio::ip;

ip::tcp::endpoint to_asio(const Endpoint& endpoint) {
    const auto bytes = endpoint.address.bytes();
    if (endpoint.address.is_v4()) {
        ip::address_v4::bytes_type v4{};
        std::copy(bytes.begin(), bytes.end(), v4.begin());
        return {ip::address_v4(v4), endpoint.port};
    }
    ip::address_v6::bytes_type v6{};
    std::copy(bytes.begin(), bytes.end(), v6.begin());
    return {ip::address_v6(v6), endpoint.port};
}

Endpoint from_asio(const ip::tcp::endpoint& endpoint) {
    Endpoint out;
    out.port = endpoint.port();
    if (endpoint.address().is_v4()) {
        const auto bytes = endpoint.address().to_v4().to_bytes();
        if (const Result<IpAddress> address = IpAddress::from_bytes(bytes)) out.address = *address;
    } else {
        const auto bytes = endpoint.address().to_v6().to_bytes();
        if (const Result<IpAddress> address = IpAddress::from_bytes(bytes)) out.address = *address;
    }
    return out;
}

}  // namespace sealpost
