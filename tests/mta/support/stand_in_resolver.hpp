/// \file A resolver process that answers from a list, so that a delivery can be tested without any DNS.
///
/// Use      Resolver starts its own binary again, which is the test binary here: started with the argument
///          "resolver-process" it answers questions and never reaches doctest. The list travels in the place
///          of the trust anchor.
#pragma once
#include <chrono>
#include <string>
#include <vector>

#include "mta/resolver/process.hpp"
#include "security/dns_answer.hpp"

namespace sealpost::test {

class Zone {
public:
    void mx(const std::string& name, const std::vector<std::string>& hosts);
    void a(const std::string& name, const std::string& address);
    void aaaa(const std::string& name, const std::string& address);
    /// One more address in the last answer.
    void more(const std::string& name, const std::string& address);
    void txt(const std::string& name, const std::string& text);
    /// The last answer was found at the end of an alias.
    void alias_last(const std::string& canonical) { answers_.back().canonical = canonical; }
    void tlsa(const std::string& host, std::uint16_t port, std::vector<std::uint8_t> rdata);
    void add(security::DnsAnswer answer) { answers_.push_back(std::move(answer)); }
    /// `status` for what is added from now on.
    void status(security::DnsStatus status) { status_ = status; }

    /// `ttl` for what is added from now on.
    void ttl(std::chrono::seconds ttl) { ttl_ = ttl; }

    /// For the Resolver. Several answers to one question are given in turn, and the last one stays. What is
    /// not in the list is denied: NODATA, or NXDOMAIN where nothing has the name.
    [[nodiscard]] resolver::ProcessConfig config() const;

private:
    security::DnsAnswer answer(const std::string& name, security::RrType type) const;
    std::vector<security::DnsAnswer> answers_;
    security::DnsStatus status_ = security::DnsStatus::insecure;
    std::chrono::seconds ttl_{60};
};

}  // namespace sealpost::test
