#include "queue/dsn_field.hpp"

#include <algorithm>
#include <ctime>

#include "security/remote_text.hpp"

namespace sealpost::queue {

bool has_8bit(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) > 126; });
}

std::string date_time(Time at) {
    const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count();
    std::tm utc{};
    gmtime_r(&seconds, &utc);
    constexpr std::string_view days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::string_view months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    return fmt::format("{}, {} {} {} {:02}:{:02}:{:02} +0000", days[utc.tm_wday], utc.tm_mday,
                       months[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

std::string field(std::string_view name, std::string_view value) {
    std::string out = fmt::format("{}:", name);
    std::size_t column = out.size();
    while (!value.empty()) {
        const std::size_t end = std::min(value.find(' ', 1), value.size());
        const std::string_view word =
            value.substr(value.front() == ' ' ? 1 : 0, end - (value.front() == ' ' ? 1 : 0));
        value.remove_prefix(end);
        if (word.empty()) continue;
        if (column + 1 + word.size() > 78 && column > name.size() + 1) {
            out += "\r\n";
            column = 0;
        }
        out += ' ';
        out += word;
        column += 1 + word.size();
    }
    return out + "\r\n";
}

std::string paragraph(std::string_view text, std::string_view indent) {
    std::string out;
    std::string line{indent};
    bool empty = true;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        const std::string_view word = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (word.empty()) continue;
        if (!empty && line.size() + 1 + word.size() > 72) {
            out += line + "\r\n";
            line = indent;
            empty = true;
        }
        if (!empty) line += ' ';
        line += word;
        empty = false;
    }
    return out + line + "\r\n";
}

std::string one_line(std::string_view text, std::size_t max) {
    std::string flat{text.substr(0, max)};
    for (char& c : flat)
        if (c == '\r' || c == '\n' || c == '\t') c = ' ';
    return security::printable_once(flat, max);
}

}  // namespace sealpost::queue
