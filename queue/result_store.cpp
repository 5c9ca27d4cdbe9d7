#include "queue/result_store.hpp"

#include <algorithm>

#include "queue/checksum.hpp"
#include "queue/rows.hpp"

namespace sealpost::queue {

namespace {

using security::AppliedPolicy;
using security::TlsFailure;

constexpr std::size_t max_policy_text = 64U << 10;  // octets of all lines of one policy
constexpr std::size_t max_text = 500;
constexpr std::size_t max_failures_per_result = 100;

// Lines one after another, each ended by LF. A line never holds one: DNS and HTTP text was split at it.
std::string lines_to_row(const std::vector<std::string>& lines) {
    std::string row;
    for (const std::string& line : lines) {
        if (row.size() + line.size() + 1 > max_policy_text) break;
        row += line;
        std::replace(row.end() - static_cast<std::ptrdiff_t>(line.size()), row.end(), '\n', ' ');
        row += '\n';
    }
    return row;
}

std::vector<std::string> lines_from_row(std::string_view row) {
    std::vector<std::string> lines;
    while (!row.empty()) {
        const std::size_t end = std::min(row.find('\n'), row.size());
        lines.emplace_back(row.substr(0, end));
        row.remove_prefix(std::min(end + 1, row.size()));
    }
    return lines;
}

struct PolicyRow {
    std::string hash;
    std::string_view type;
    std::string domain;
    std::string strings;
    std::string mx_hosts;
};

PolicyRow to_row(const AppliedPolicy& policy) {
    PolicyRow row{.hash = {},
                  .type = security::to_string(policy.type),
                  .domain = policy.domain.substr(0, max_text),
                  .strings = lines_to_row(policy.policy_string),
                  .mx_hosts = lines_to_row(policy.mx_host)};
    row.hash = Checksum{}.add(row.type).add(row.domain).add(row.strings).add(row.mx_hosts).finish();
    return row;
}

std::int64_t day_number(Day day) {
    return day.time_since_epoch().count();
}

TlsFailure bounded(TlsFailure failure) {
    for (std::string* text : {&failure.sending_mta_ip, &failure.receiving_mx_hostname,
                              &failure.receiving_mx_helo, &failure.receiving_ip, &failure.reason_code})
        text->resize(std::min(text->size(), max_text));
    return failure;
}

}  // namespace

struct ResultStore::Statements {
    Database* db = nullptr;
    Statement find_policy, add_policy, touch_policy;
    Statement add_to_session, count_sessions, add_session;
    Statement add_to_failure, count_failures, add_failure;

    Result<std::optional<std::int64_t>> policy_id(const PolicyRow& row, std::int64_t day);
    Result<std::int64_t> policy_id_or_new(const PolicyRow& row, std::int64_t day);
    Result<bool> at_limit(Statement& count, std::int64_t day, std::string_view domain,
                          std::size_t limit) const;
};

Result<ResultStore> ResultStore::open(Database& db, ResultLimits limits) {
    auto statements = std::make_shared<Statements>();
    Statements& s = *statements;
    s.db = &db;
    auto prepared = db.prepare_all({
        {&s.find_policy, "SELECT id, last_day FROM tls_policy WHERE hash = ?"},
        {&s.add_policy,
         "INSERT INTO tls_policy (hash, type, domain, strings, mx_hosts, last_day) VALUES (?, ?, ?, ?, ?, "
         "?)"},
        {&s.touch_policy, "UPDATE tls_policy SET last_day = ?2 WHERE id = ?1"},
        {&s.add_to_session,
         "UPDATE tls_session SET successful = successful + ?4, failed = failed + ?5"
         " WHERE day = ?1 AND report_domain = ?2 AND policy = ?3"},
        {&s.count_sessions,
         "SELECT count(*) FROM (SELECT 1 FROM tls_session WHERE day = ?1 AND report_domain = ?2 LIMIT ?3)"},
        {&s.add_session,
         "INSERT INTO tls_session (day, report_domain, policy, successful, failed) VALUES (?, ?, ?, ?, ?)"
         " ON CONFLICT DO UPDATE SET successful = successful + excluded.successful,"
         " failed = failed + excluded.failed"},
        {&s.add_to_failure,
         "UPDATE tls_failure SET count = count + 1 WHERE day = ? AND report_domain = ? AND policy = ? AND "
         "type = ?"
         " AND sending_ip = ? AND mx_hostname = ? AND mx_helo = ? AND mx_ip = ? AND reason = ?"},
        {&s.count_failures,
         "SELECT count(*) FROM (SELECT 1 FROM tls_failure WHERE day = ?1 AND report_domain = ?2 LIMIT ?3)"},
        {&s.add_failure,
         "INSERT INTO tls_failure (day, report_domain, policy, type, sending_ip, mx_hostname, mx_helo, mx_ip,"
         " reason, count) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1"},
    });
    if (!prepared) return tl::unexpected(prepared.error());
    return ResultStore{std::move(statements), limits};
}

Result<std::optional<std::int64_t>> ResultStore::Statements::policy_id(const PolicyRow& row,
                                                                       std::int64_t day) {
    std::int64_t id = 0;
    std::int64_t last_day = 0;
    {
        auto rows = find_policy.query(Blob{row.hash});
        if (!rows) return tl::unexpected(rows.error());
        const Result<bool> found = rows->next();
        if (!found) return tl::unexpected(found.error());
        if (!*found) return std::nullopt;
        id = rows->integer(0);
        last_day = rows->integer(1);
    }
    if (last_day < day)
        if (auto touched = touch_policy.run(id, day); !touched) return tl::unexpected(touched.error());
    return id;
}

Result<std::int64_t> ResultStore::Statements::policy_id_or_new(const PolicyRow& row, std::int64_t day) {
    auto id = policy_id(row, day);
    if (!id) return tl::unexpected(id.error());
    if (*id) return **id;
    auto added =
        add_policy.run(Blob{row.hash}, row.type, row.domain, Blob{row.strings}, Blob{row.mx_hosts}, day);
    if (!added) return tl::unexpected(added.error());
    return db->last_insert_rowid();
}

Result<bool> ResultStore::Statements::at_limit(Statement& count, std::int64_t day, std::string_view domain,
                                               std::size_t limit) const {
    auto rows = count.query(day, domain, limit);
    if (!rows) return tl::unexpected(rows.error());
    const Result<bool> row = rows->next();
    if (!row) return tl::unexpected(row.error());
    return rows->integer(0) >= static_cast<std::int64_t>(limit);
}

Result<void> ResultStore::count(Day utc_day, const security::TlsResult& result) {
    // An address literal has no domain to report to.
    const auto domain = Domain::parse(result.policy_domain_of_recipient);
    if (!domain) return {};
    Statements& s = *statements_;
    const std::int64_t day = day_number(utc_day);
    const int ok = result.counts_session && result.session_success ? 1 : 0;
    const int failed = result.counts_session && !result.session_success ? 1 : 0;

    PolicyRow policy = to_row(result.policy);
    const auto known = s.policy_id(policy, day);
    if (!known) return tl::unexpected(known.error());
    std::int64_t policy_id = known->value_or(0);
    bool counted = false;
    if (*known) {
        auto updated = s.add_to_session.run(day, domain->str(), policy_id, ok, failed);
        if (!updated) return updated;
        counted = s.db->changes() > 0;
    }
    if (!counted) {
        const auto full = s.at_limit(s.count_sessions, day, domain->str(), limits_.policies);
        if (!full) return tl::unexpected(full.error());
        if (*full)
            policy = to_row(AppliedPolicy{
                .type = result.policy.type, .domain = domain->str(), .policy_string = {}, .mx_host = {}});
        const auto id = s.policy_id_or_new(policy, day);
        if (!id) return tl::unexpected(id.error());
        policy_id = *id;
        auto added = s.add_session.run(day, domain->str(), policy_id, ok, failed);
        if (!added) return added;
    }

    const std::size_t failures = std::min(result.failures.size(), max_failures_per_result);
    for (std::size_t i = 0; i < failures; ++i) {
        TlsFailure f = bounded(result.failures[i]);
        const auto run = [&](Statement& statement) {
            return statement.run(day, domain->str(), policy_id, security::to_string(f.type), f.sending_mta_ip,
                                 f.receiving_mx_hostname, f.receiving_mx_helo, f.receiving_ip, f.reason_code);
        };
        if (auto updated = run(s.add_to_failure); !updated) return updated;
        if (s.db->changes() > 0) continue;
        const auto full = s.at_limit(s.count_failures, day, domain->str(), limits_.failures);
        if (!full) return tl::unexpected(full.error());
        if (*full) {
            const security::ResultType type = f.type;
            f = {};
            f.type = type;
            f.reason_code = "other";
        }
        if (auto added = run(s.add_failure); !added) return added;
    }
    return {};
}

Result<std::vector<Domain>> ResultStore::domains(Database& db, Day day, const std::string& after,
                                                 std::size_t limit) {
    auto statement = db.prepare(
        "SELECT DISTINCT report_domain FROM tls_session WHERE day = ?1 AND report_domain > ?2"
        " ORDER BY report_domain LIMIT ?3");
    if (!statement) return tl::unexpected(statement.error());
    auto rows = statement->query(day_number(day), after, limit);
    if (!rows) return tl::unexpected(rows.error());
    std::vector<Domain> domains;
    for (;;) {
        const Result<bool> row = rows->next();
        if (!row) return tl::unexpected(row.error());
        if (!*row) return domains;
        auto domain = Domain::parse(rows->text(0));
        if (!domain) return fail("a damaged row in tls_session", domain.error());
        domains.push_back(std::move(*domain));
    }
}

Result<std::vector<security::PolicyCounts>> ResultStore::counts(Database& db, Day day, const Domain& domain) {
    const auto damaged = [&domain] {
        return fail(Errc::invalid, fmt::format("the stored TLS results of {} are damaged", domain));
    };
    Statement sessions;
    Statement details;
    auto prepared = db.prepare_all({
        {&sessions,
         "SELECT s.policy, s.successful, s.failed, p.type, p.domain, p.strings, p.mx_hosts FROM tls_session s"
         " JOIN tls_policy p ON p.id = s.policy WHERE s.day = ?1 AND s.report_domain = ?2"
         " ORDER BY p.type, p.domain, p.hash"},
        {&details,
         "SELECT type, sending_ip, mx_hostname, mx_helo, mx_ip, reason, count FROM tls_failure"
         " WHERE day = ?1 AND report_domain = ?2 AND policy = ?3"},
    });
    if (!prepared) return tl::unexpected(prepared.error());
    auto rows = sessions.query(day_number(day), domain.str());
    if (!rows) return tl::unexpected(rows.error());
    std::vector<security::PolicyCounts> all;
    for (;;) {
        const Result<bool> row = rows->next();
        if (!row) return tl::unexpected(row.error());
        if (!*row) return all;
        const auto successes = unsigned_from_row<std::uint64_t>(rows->integer(1));
        const auto failures = unsigned_from_row<std::uint64_t>(rows->integer(2));
        const auto type = security::policy_type_from_string(rows->text(3));
        if (!successes || !failures || !type) return damaged();
        security::PolicyCounts counts{.policy = {.type = *type,
                                                 .domain = std::string{rows->text(4)},
                                                 .policy_string = lines_from_row(rows->text(5)),
                                                 .mx_host = lines_from_row(rows->text(6))},
                                      .successes = *successes,
                                      .failures = *failures,
                                      .details = {}};
        auto failed = details.query(day_number(day), domain.str(), rows->integer(0));
        if (!failed) return tl::unexpected(failed.error());
        for (;;) {
            const Result<bool> more = failed->next();
            if (!more) return tl::unexpected(more.error());
            if (!*more) break;
            const auto result = security::result_type_from_string(failed->text(0));
            const auto count = unsigned_from_row<std::uint64_t>(failed->integer(6));
            if (!result || !count) return damaged();
            counts.details.push_back({.failure = {.type = *result,
                                                  .sending_mta_ip = std::string{failed->text(1)},
                                                  .receiving_mx_hostname = std::string{failed->text(2)},
                                                  .receiving_mx_helo = std::string{failed->text(3)},
                                                  .receiving_ip = std::string{failed->text(4)},
                                                  .reason_code = std::string{failed->text(5)}},
                                      .count = *count});
        }
        all.push_back(std::move(counts));
    }
}

}  // namespace sealpost::queue
