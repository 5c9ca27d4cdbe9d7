/// \file ResultStore: TLS sessions counted for TLS-RPT.
///
/// Owns     tables tls_policy, tls_session, tls_failure: per UTC day, report domain and exact policy one pair
/// of
///          session counts (RPT-50..54) and one count for each distinct failure (RPT-59).
/// Units    a day is the number of days since 1970-01-01 UTC.
/// Limits   distinct policies and failures of one day and report domain are bounded, since the remote side
/// chooses
///          them; what exceeds is counted in an entry without details, never dropped.
/// Never    reads the clock, builds a report.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "config/domain.hpp"
#include "queue/message.hpp"
#include "queue/sqlite.hpp"
#include "security/tls_result.hpp"
#include "security/tlsrpt_report.hpp"

namespace sealpost::queue {

struct ResultLimits {
    std::size_t failures = 500;  ///< distinct, a day and report domain
    std::size_t policies = 50;   ///< distinct, a day and report domain
};

using Day = std::chrono::sys_days;
[[nodiscard]] inline Day day_of(Time time) {
    return std::chrono::floor<std::chrono::days>(time);
}

class ResultStore {
public:
    [[nodiscard]] static Result<ResultStore> open(Database& db, ResultLimits limits);

    /// Counts one result; to be called inside a transaction.
    [[nodiscard]] Result<void> count(Day day, const security::TlsResult& result);

    /// Report domains with results of that day, in order, after `after` (empty: from the start).
    [[nodiscard]] static Result<std::vector<Domain>> domains(Database& db, Day day, const std::string& after,
                                                             std::size_t limit);
    /// All counts of one report domain and day, ready for the report builder; stable order.
    [[nodiscard]] static Result<std::vector<security::PolicyCounts>> counts(Database& db, Day day,
                                                                            const Domain& domain);

private:
    struct Statements;
    explicit ResultStore(std::shared_ptr<Statements> statements, ResultLimits limits)
        : statements_(std::move(statements)), limits_(limits) {}
    std::shared_ptr<Statements> statements_;
    ResultLimits limits_;
};

}  // namespace sealpost::queue
