/// \file The log: lines as Postfix's log readers know them, or JSON.
///
/// Shape    postfix: "Nov 22 20:17:09 host sealpost/smtp[123]: QUEUEID: to=<...>, relay=..., delay=...,
/// delays=a/b/c/d,
///          dsn=2.0.0, status=sent (...) tls=Verified(dane) protocol=... cipher=...", and "
///          possibly-duplicate" when an earlier attempt was cut off. json:
///          {"schema":1,"time":...,"level":...,"program":...,"text":...}, one object a line.
/// Never    lets an octet from outside through that is not printable ASCII.
#pragma once
#include <chrono>
#include <string>
#include <string_view>

#include "config/settings.hpp"

namespace sealpost {

/// Errc::configuration - the log file cannot be opened.
[[nodiscard]] Result<void> open_log(const LogSettings& settings, const std::string& hostname);

/// One line of a part of the program: "smtp" (client), "smtpd" (server), "qmgr".
void log_line(std::string_view program, std::string_view text);

struct DeliveryLine {
    std::string queue_id;
    std::string recipient;
    std::string relay;
    Millis total{};       ///< since the message came in
    Millis before{};      ///< until the delivery began
    Millis connecting{};  ///< DNS, connection, TLS
    Millis sending{};
    std::string dsn;
    std::string status;  ///< "sent", "deferred", "bounced"
    std::string text;
    std::string tls;
    bool possibly_duplicate = false;  ///< an earlier attempt was cut off: this may be a second copy
};
/// Pure: what log_line() gets. No ')' inside the reason and no '>' inside the address, so that readers find
/// their ends.
[[nodiscard]] std::string format_delivery(const DeliveryLine& line);

}  // namespace sealpost
