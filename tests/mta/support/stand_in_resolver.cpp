#include "tests/mta/support/stand_in_resolver.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <sstream>

#include "config/ip.hpp"
#include "mta/resolver/frame.hpp"

namespace sealpost::test {
namespace {

using resolver::AnswerFrame;
using security::DnsAnswer;
using security::DnsData;
using security::RrType;

constexpr int socket_fd = 3;

std::string to_hex(std::string_view text) {
    std::string out;
    for (const char c : text) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return out;
}

std::string from_hex(std::string_view hex) {
    std::string out;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        out.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
    return out;
}

/// The next frame from the socket; ends the process with the stream.
std::string receive(std::string& buffer) {
    for (;;) {
        auto payload = resolver::take_frame(buffer, 1U << 20);
        if (!payload) ::_exit(1);
        if (*payload) return std::move(**payload);
        std::array<char, 4096> block{};
        const ssize_t got = ::read(socket_fd, block.data(), block.size());
        if (got <= 0) ::_exit(0);
        buffer.append(block.data(), static_cast<std::size_t>(got));
    }
}

void send(std::string_view text) {
    while (!text.empty()) {
        const ssize_t sent = ::write(socket_fd, text.data(), text.size());
        if (sent <= 0) ::_exit(1);
        text.remove_prefix(static_cast<std::size_t>(sent));
    }
}

DnsAnswer find(std::vector<DnsAnswer>& answers, const resolver::Question& question) {
    DnsAnswer denial;
    denial.name = denial.canonical = question.name;
    denial.type = question.type;
    denial.status = security::DnsStatus::insecure;
    denial.data = DnsData::nxdomain;
    for (auto at = answers.begin(); at != answers.end(); ++at) {
        const DnsAnswer& answer = *at;
        if (answer.name != question.name) continue;
        if (answer.type == question.type) {
            DnsAnswer found = answer;
            const bool another = std::any_of(at + 1, answers.end(), [&](const DnsAnswer& later) {
                return later.name == question.name && later.type == question.type;
            });
            if (another) answers.erase(at);
            return found;
        }
        denial.status = answer.status;
        denial.data = DnsData::nodata;
    }
    return denial;
}

[[noreturn]] void serve() {
    std::string buffer;
    const auto config = resolver::decode_process_config(receive(buffer));
    if (!config) ::_exit(1);
    std::vector<DnsAnswer> answers;
    std::istringstream lines(config->trust_anchor);
    for (std::string line; std::getline(lines, line);) {
        const auto frame = resolver::decode_answer(from_hex(line));
        if (!frame) ::_exit(1);
        answers.push_back(frame->answer);
    }
    for (;;) {
        const auto question = resolver::decode_question(receive(buffer));
        if (!question) ::_exit(1);
        const AnswerFrame frame{.id = question->id, .answer = find(answers, question->question)};
        send(resolver::encode(frame));
    }
}

/// Before main(): doctest would take the argument for nothing and run every test.
const bool never_a_resolver = [] {
    std::ifstream in("/proc/self/cmdline", std::ios::binary);
    const std::string line{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    if (line.ends_with(std::string_view("\0resolver-process\0", 18))) serve();
    return true;
}();

void append_name(std::vector<std::uint8_t>& out, const std::string& name) {
    std::istringstream labels(name);
    for (std::string label; std::getline(labels, label, '.');) {
        out.push_back(static_cast<std::uint8_t>(label.size()));
        out.insert(out.end(), label.begin(), label.end());
    }
    out.push_back(0);
}

}  // namespace

DnsAnswer Zone::answer(const std::string& name, RrType type) const {
    DnsAnswer out;
    out.name = out.canonical = name;
    out.type = type;
    out.status = status_;
    out.data = DnsData::data;
    out.ttl = ttl_;
    return out;
}

void Zone::mx(const std::string& name, const std::vector<std::string>& hosts) {
    DnsAnswer out = answer(name, RrType::mx);
    std::uint8_t preference = 0;
    for (const std::string& host : hosts) {
        std::vector<std::uint8_t> rdata{0, preference++};
        append_name(rdata, host);
        out.rdata.push_back(std::move(rdata));
    }
    add(std::move(out));
}

void Zone::a(const std::string& name, const std::string& address) {
    DnsAnswer out = answer(name, RrType::a);
    const IpAddress parsed = IpAddress::parse(address).value();
    out.rdata.emplace_back(parsed.bytes().begin(), parsed.bytes().end());
    add(std::move(out));
}

void Zone::aaaa(const std::string& name, const std::string& address) {
    DnsAnswer out = answer(name, RrType::aaaa);
    const IpAddress parsed = IpAddress::parse(address).value();
    out.rdata.emplace_back(parsed.bytes().begin(), parsed.bytes().end());
    add(std::move(out));
}

void Zone::more(const std::string& name, const std::string& address) {
    const IpAddress parsed = IpAddress::parse(address).value();
    if (answers_.back().name == name)
        answers_.back().rdata.emplace_back(parsed.bytes().begin(), parsed.bytes().end());
}

void Zone::txt(const std::string& name, const std::string& text) {
    DnsAnswer out = answer(name, RrType::txt);
    std::vector<std::uint8_t> rdata{static_cast<std::uint8_t>(text.size())};
    rdata.insert(rdata.end(), text.begin(), text.end());
    out.rdata.push_back(std::move(rdata));
    add(std::move(out));
}

void Zone::tlsa(const std::string& host, std::uint16_t port, std::vector<std::uint8_t> rdata) {
    DnsAnswer out = answer(fmt::format("_{}._tcp.{}", port, host), RrType::tlsa);
    out.rdata.push_back(std::move(rdata));
    add(std::move(out));
}

resolver::ProcessConfig Zone::config() const {
    resolver::ProcessConfig config;
    config.dns.timeout = std::chrono::seconds(20);
    for (const DnsAnswer& answer : answers_) {
        const AnswerFrame frame{.id = 0, .answer = answer};
        config.trust_anchor += to_hex(resolver::encode(frame).substr(4)) + '\n';
    }
    return config;
}

}  // namespace sealpost::test
