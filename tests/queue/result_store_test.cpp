#include "queue/result_store.hpp"

#include <doctest/doctest.h>

#include "queue/reader.hpp"
#include "tests/queue/temp_store.hpp"

namespace sealpost::queue {

using security::AppliedPolicy;
using security::PolicyCounts;
using security::PolicyType;
using security::ResultType;
using security::TlsFailure;
using security::TlsResult;
using test::committed;
using test::noon;
using test::open_store;
using test::TempDirectory;
using test::value;

namespace {

const Domain example = Domain::parse("example.net").value();

AppliedPolicy tlsa(const std::string& data) {
    return {.type = PolicyType::tlsa,
            .domain = "mx.example.net",
            .policy_string = {"3 1 1 " + data},
            .mx_host = {}};
}
AppliedPolicy sts() {
    return {.type = PolicyType::sts,
            .domain = "example.net",
            .policy_string = {"version: STSv1", "mode: enforce", "", "mx: *.example.net"},
            .mx_host = {"*.example.net"}};
}
TlsResult success(AppliedPolicy policy) {
    TlsResult r{.policy_domain_of_recipient = "example.net", .policy = std::move(policy), .failures = {}};
    r.session_success = true;
    return r;
}
TlsFailure failure(const std::string& ip, ResultType type = ResultType::validation_failure) {
    TlsFailure f;
    f.type = type;
    f.receiving_ip = ip;
    f.receiving_mx_hostname = "mx.example.net";
    f.reason_code = "dane-no-match";
    return f;
}
TlsResult failed(AppliedPolicy policy, std::vector<TlsFailure> failures) {
    TlsResult r{.policy_domain_of_recipient = "example.net",
                .policy = std::move(policy),
                .failures = std::move(failures)};
    return r;
}

void count(Store& store, const std::vector<TlsResult>& results, Day day = day_of(noon)) {
    REQUIRE(committed(store, [&]() -> Result<void> {
        for (const auto& r : results)
            if (auto done = store.results().count(day, r); !done) return done;
        return {};
    }));
}

std::vector<PolicyCounts> counts(const TempDirectory& dir, Day day = day_of(noon)) {
    return value(value(Reader::open(dir.path())).results(day, example));
}

}  // namespace

TEST_SUITE("queue/result_store") {
    TEST_CASE("a connection counts once per policy as success or failure [RPT-50 RPT-51 RPT-52 RPT-54]") {
        TempDirectory dir;
        Store store = open_store(dir);
        count(store, {success(tlsa("AA")), success(tlsa("AA")),
                      failed(sts(), {failure("192.0.2.1"), failure("192.0.2.2")})});
        const auto all = counts(dir);
        REQUIRE(all.size() == 2);
        CHECK(all[0].policy == sts());
        CHECK(all[0].successes == 0);
        CHECK(all[0].failures == 1);
        CHECK(all[0].details.size() == 2);
        CHECK(all[1].policy == tlsa("AA"));
        CHECK(all[1].successes == 2);
        CHECK(all[1].failures == 0);
        CHECK(all[1].details.empty());
    }

    TEST_CASE("details may add up to more than the failed sessions and nothing repairs that [RPT-53]") {
        TempDirectory dir;
        Store store = open_store(dir);
        count(store, {failed(sts(), {failure("192.0.2.1", ResultType::certificate_expired),
                                     failure("192.0.2.1", ResultType::certificate_host_mismatch)})});
        TlsResult policy_only = failed(sts(), {failure("", ResultType::sts_policy_fetch_error)});
        policy_only.counts_session = false;
        count(store, {policy_only});
        const auto all = counts(dir);
        REQUIRE(all.size() == 1);
        CHECK(all[0].failures == 1);
        CHECK(all[0].successes == 0);
        CHECK(all[0].details.size() == 3);
    }

    TEST_CASE("equal failures are one row with a count [RPT-59]") {
        TempDirectory dir;
        Store store = open_store(dir);
        for (int i = 0; i < 3; ++i) count(store, {failed(sts(), {failure("192.0.2.1")})});
        count(store, {failed(sts(), {failure("192.0.2.2")})});
        const auto all = counts(dir);
        REQUIRE(all.size() == 1);
        REQUIRE(all[0].details.size() == 2);
        CHECK(all[0].details[0].count + all[0].details[1].count == 4);
        CHECK(all[0].failures == 4);
    }

    TEST_CASE("a policy that changed within the day is a second entry [RPT-61]") {
        TempDirectory dir;
        Store store = open_store(dir);
        count(store, {success(tlsa("AA")), success(tlsa("BB"))});
        CHECK(counts(dir).size() == 2);
    }

    TEST_CASE("days and report domains are apart") {
        TempDirectory dir;
        Store store = open_store(dir);
        TlsResult other = success(tlsa("AA"));
        other.policy_domain_of_recipient = "example.org";
        TlsResult literal = success(tlsa("AA"));
        literal.policy_domain_of_recipient = "[192.0.2.1]";
        count(store, {success(tlsa("AA")), other, literal});
        count(store, {success(tlsa("AA"))}, day_of(noon) + std::chrono::days(1));
        Reader reader = value(Reader::open(dir.path()));
        CHECK(value(reader.report_domains(day_of(noon), "", 10)).size() == 2);
        const auto rest = value(reader.report_domains(day_of(noon), "example.net", 10));
        REQUIRE(rest.size() == 1);
        CHECK(rest[0].str() == "example.org");
        CHECK(counts(dir)[0].successes == 1);
        CHECK(counts(dir, day_of(noon) + std::chrono::days(2)).empty());
    }

    TEST_CASE("a peer that varies its failures or policies without end fills no disk and loses no count") {
        TempDirectory dir;
        StoreOptions options = test::options_for(dir.path());
        options.results = {.failures = 10, .policies = 4};
        Store store = value(Store::open(options, noon));
        for (int i = 0; i < 50; ++i)
            count(store, {failed(tlsa(std::to_string(i)), {failure("192.0.2." + std::to_string(i))})});
        const auto all = counts(dir);
        CHECK(all.size() == 5);
        std::uint64_t sessions = 0;
        std::uint64_t details = 0;
        std::size_t rows = 0;
        for (const auto& each : all) {
            sessions += each.failures;
            rows += each.details.size();
            for (const auto& d : each.details) details += d.count;
        }
        CHECK(sessions == 50);
        CHECK(details == 50);
        CHECK(rows <= 15);
    }

    TEST_CASE("results of old days go away with their policies") {
        TempDirectory dir;
        Store store = open_store(dir);
        count(store, {failed(sts(), {failure("192.0.2.1")})});
        count(store, {success(tlsa("AA"))}, day_of(noon) + std::chrono::days(3));
        REQUIRE(
            committed(store, [&] { return store.prune(noon, day_of(noon) + std::chrono::days(1), 100); }));
        CHECK(counts(dir).empty());
        CHECK(counts(dir, day_of(noon) + std::chrono::days(3)).size() == 1);
    }

    TEST_CASE("damaged rows are an error and no report is made of them") {
        TempDirectory dir;
        Store store = open_store(dir);
        count(store, {failed(sts(), {failure("192.0.2.1")})});
        const char* sql = "";
        SUBCASE("policy type") {
            sql = "UPDATE tls_policy SET type = 'dane'";
        }
        SUBCASE("result type") {
            sql = "UPDATE tls_failure SET type = 'bad'";
        }
        SUBCASE("negative sessions") {
            sql = "UPDATE tls_session SET failed = -1";
        }
        SUBCASE("negative count") {
            sql = "UPDATE tls_failure SET count = -1";
        }
        Database db = value(Database::open(dir.database(), Database::Mode::read_write));
        REQUIRE(db.exec(sql));
        const auto read = value(Reader::open(dir.path())).results(day_of(noon), example);
        REQUIRE_FALSE(read);
        CHECK(read.error().code == Errc::invalid);
    }
}

}  // namespace sealpost::queue
