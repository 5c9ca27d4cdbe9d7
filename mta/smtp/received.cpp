#include "mta/smtp/received.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

namespace sealpost {
namespace {

constexpr std::size_t max_columns = 78;

constexpr std::array<std::string_view, 7> weekdays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/// Letters, digits and what an address literal needs: no parenthesis, quote or line end can come through.
std::string clean_name(std::string_view text) {
    std::string out(text.substr(0, 255));
    std::replace_if(
        out.begin(), out.end(),
        [](char c) {
            return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     std::string_view(".-_[]:").find(c) != std::string_view::npos);
        },
        '?');
    return out.empty() ? "unknown" : out;
}

}  // namespace

std::string format_date(std::chrono::system_clock::time_point time) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
    const auto days = std::chrono::floor<std::chrono::days>(seconds);
    const std::chrono::year_month_day date{days};
    const std::chrono::hh_mm_ss clock{seconds - days};
    return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} +0000",
                       weekdays.at(std::chrono::weekday{days}.c_encoding()),
                       static_cast<unsigned>(date.day()), months.at(static_cast<unsigned>(date.month()) - 1),
                       static_cast<int>(date.year()), clock.hours().count(), clock.minutes().count(),
                       clock.seconds().count());
}

std::string address_literal(const IpAddress& address) {
    return address.is_v4() ? fmt::format("[{}]", address.str()) : fmt::format("[IPv6:{}]", address.str());
}

std::string_view transmission_type(const ReceivedFacts& facts) {
    if (!facts.esmtp) return "SMTP";
    if (facts.smtputf8) return facts.tls_cipher.empty() ? "UTF8SMTP" : "UTF8SMTPS";
    return facts.tls_cipher.empty() ? "ESMTP" : "ESMTPS";
}

std::string received_field(const ReceivedFacts& facts) {
    std::vector<std::string> words;
    words.push_back(fmt::format("from {}", clean_name(facts.helo)));
    words.push_back(fmt::format("({})", address_literal(facts.client)));
    words.push_back(fmt::format("by {}", facts.by));
    words.emplace_back("(Sealpost)");
    words.push_back(fmt::format("with {}", transmission_type(facts)));
    words.push_back(fmt::format("id {}", facts.queue_id));
    if (facts.only_recipient) words.push_back(fmt::format("for <{}>", *facts.only_recipient));
    if (!facts.tls_cipher.empty()) words.push_back(fmt::format("tls {}", clean_name(facts.tls_cipher)));
    words.back() += ';';
    words.push_back(format_date(facts.time));

    std::string field = "Received:";
    std::size_t column = field.size();
    for (const std::string& word : words) {
        if (column + 1 + word.size() > max_columns - 1) {
            field += "\r\n\t";
            column = 8;  // as a tab is shown
        } else {
            field += ' ';
            ++column;
        }
        field += word;
        column += word.size();
    }
    return field + "\r\n";
}

}  // namespace sealpost
