#include "security/sts_discovery.hpp"

#include <doctest/doctest.h>

#include "support/answers.hpp"

using namespace sealpost;
using namespace sealpost::security;
using namespace sealpost::security::test;

namespace {

using std::chrono::minutes;
using std::chrono::seconds;

const StsClock now{std::chrono::sys_days{std::chrono::year{2026} / 11 / 22}};

StsPolicy policy(StsMode mode) {
    return parse_sts_policy(
               fmt::format("version: STSv1\nmode: {}\nmx: mx.example.org\nmax_age: 86400\n", to_string(mode)))
        .value();
}

StsMemory cached(StsMode mode, std::string id = "old") {
    StsMemory memory;
    memory.policy = policy(mode);
    memory.id = std::move(id);
    memory.fetched_at = now - std::chrono::hours(23);
    memory.expires = now + std::chrono::hours(1);
    return memory;
}

StsMemory with_failure(StsMemory memory, std::string id, StsClock at) {
    memory.failed_id = std::move(id);
    memory.failed_at = at;
    memory.failure = ResultType::sts_webpki_invalid;
    memory.failure_reason = "certificate expired";
    return memory;
}

DnsAnswer txt(const std::vector<std::string>& records, DnsStatus status = DnsStatus::insecure) {
    std::vector<Bytes> rdata;
    for (const std::string& record : records) rdata.push_back(txt_rdata({record}));
    return found("_mta-sts.example.org", RrType::txt, status, rdata);
}

StsStep step(const DnsAnswer& answer, const StsMemory& memory = {}, StsUrgency urgency = StsUrgency::normal) {
    return decide_sts_step(answer, memory, now, {}, urgency);
}

}  // namespace

TEST_SUITE("security/sts_discovery") {
    TEST_CASE("the TXT records say whether there is a live policy") {
        struct Row {
            std::string rule;
            std::vector<std::string> records;
            StsTxt txt;
            const char* id;
        };
        const Row rows[] = {
            {"STS-06: one record among strangers",
             {"v=spf1 -all", "v=STSv1; id=20261122;", "v=TLSRPTv1; rua=mailto:a@example.org"},
             StsTxt::found,
             "20261122"},
            {"STS-06 AMB-13: white space before the first semicolon in a sole record",
             {"v=STSv1 ; id=a1"},
             StsTxt::found,
             "a1"},
            {"STS-07: no record", {"v=spf1 -all"}, StsTxt::none, ""},
            {"STS-07: two records though one is broken",
             {"v=STSv1; id=a1;", "v=STSv1; id=;"},
             StsTxt::invalid,
             ""},
            {"STS-07: two records that agree", {"v=STSv1; id=a1;", "v=STSv1; id=a1"}, StsTxt::invalid, ""},
            {"STS-08 STS-10: bad id", {"v=STSv1; id=a-1;"}, StsTxt::invalid, ""},
            {"STS-10: no id", {"v=STSv1; x=y;"}, StsTxt::invalid, ""},
            {"STS-10: 32 characters",
             {"v=STSv1; id=abcdefghijklmnopqrstuvwxyz123456"},
             StsTxt::found,
             "abcdefghijklmnopqrstuvwxyz123456"},
            {"STS-10: 33 characters", {"v=STSv1; id=abcdefghijklmnopqrstuvwxyz1234567"}, StsTxt::invalid, ""},
            {"STS-09: version in another case", {"V=STSv1; id=a1"}, StsTxt::none, ""},
            {"STS-09: version not first", {"id=a1; v=STSv1"}, StsTxt::none, ""},
            {"STS-11 STS-12: any order and unknown fields",
             {"v=STSv1;x-y=1.2 ;id=a1 ; z=/"},
             StsTxt::found,
             "a1"},
            {"STS-13: the first id counts", {"v=STSv1; id=a1; id=b2;"}, StsTxt::found, "a1"},
            {"STS-14: an octet beyond ASCII", {"v=STSv1; id=a1; x=\xC3\xA9;"}, StsTxt::invalid, ""},
        };
        for (const Row& row : rows) {
            CAPTURE(row.rule);
            for (const DnsStatus status : {DnsStatus::secure, DnsStatus::insecure}) {  // STS-32
                const StsStep s = step(txt(row.records, status));
                CHECK(s.txt == row.txt);
                CHECK(s.id == row.id);
                CHECK((s.fetch == StsFetch::first) ==
                      (row.txt == StsTxt::found));  // STS-17: nothing is cached
                CHECK(s.why.empty() == (row.txt == StsTxt::found));
            }
        }
    }

    TEST_CASE("strings of one record are joined and an alias is followed [STS-04 STS-05]") {
        DnsAnswer answer = found("_mta-sts.example.org", RrType::txt, DnsStatus::insecure,
                                 {txt_rdata({"v=STSv", "1; i", "d=a", "1;"})});
        CHECK(step(aliased(answer, "_mta-sts.provider.example")).id == "a1");
    }

    TEST_CASE("denial and error mean no live policy and never remove a cached one [STS-07 STS-16 STS-29]") {
        struct Row {
            std::string rule;
            DnsAnswer answer;
            StsTxt txt;
        };
        const Row rows[] = {
            {"STS-07: NODATA", denied("_mta-sts.example.org", RrType::txt, DnsStatus::secure), StsTxt::none},
            {"STS-07: NXDOMAIN",
             denied("_mta-sts.example.org", RrType::txt, DnsStatus::insecure, DnsData::nxdomain),
             StsTxt::none},
            {"STS-07: two", txt({"v=STSv1; id=a;", "v=STSv1; id=b;"}), StsTxt::invalid},
            {"STS-08: broken", txt({"v=STSv1; id=*;"}), StsTxt::invalid},
            {"STS-16: error", failed("_mta-sts.example.org", RrType::txt), StsTxt::failed},
            {"STS-16: bogus", failed("_mta-sts.example.org", RrType::txt, DnsStatus::bogus), StsTxt::failed},
            {"STS-16: indeterminate", failed("_mta-sts.example.org", RrType::txt, DnsStatus::indeterminate),
             StsTxt::failed},
        };
        for (const Row& row : rows) {
            CAPTURE(row.rule);
            const StsStep bare = step(row.answer);
            CHECK(bare.txt == row.txt);
            CHECK(bare.fetch == StsFetch::no);
            const StsState without = sts_from_memory(bare, {});
            CHECK(without.origin == StsOrigin::none);
            CHECK_FALSE(without.policy);
            CHECK_FALSE(without.enforced());
            CHECK_FALSE(without.failure);  // AMB-12: there is nothing that should have been there
            CHECK_FALSE(without.why.empty());

            for (const StsMode mode : {StsMode::none, StsMode::testing, StsMode::enforce}) {
                const StsMemory memory = cached(mode);
                const StsState state = sts_from_memory(step(row.answer, memory), memory);
                CHECK(state.origin == StsOrigin::cached);
                REQUIRE(state.policy);
                CHECK(*state.policy == *memory.policy);
                CHECK(state.id == "old");
                CHECK(state.expires == memory.expires);
                CHECK(state.enforced() == (mode == StsMode::enforce));
                CHECK(state.tested() == (mode == StsMode::testing));
                // RPT-73 RPT-76: its disappearance is reported, unless the mode is none.
                REQUIRE(state.failure.has_value() == (mode != StsMode::none));
                if (state.failure) CHECK(state.failure->type == ResultType::sts_policy_fetch_error);
            }
        }
    }

    TEST_CASE("the same id is not fetched again and another one is [STS-15 STS-51 STS-52]") {
        const StsMemory memory = cached(StsMode::enforce, "20261122");
        const StsStep same = step(txt({"v=STSv1; id=20261122;"}), memory);
        CHECK(same.fetch == StsFetch::no);
        const StsState state = sts_from_memory(same, memory);
        CHECK(state.origin == StsOrigin::cached);
        CHECK(state.enforced());
        CHECK_FALSE(state.failure);
        // STS-15: neither older nor newer, only different; case counts too.
        for (const char* id : {"20261121", "20261123", "2026112", "a", "A"})
            CHECK(step(txt({fmt::format("v=STSv1; id={};", id)}), memory).fetch == StsFetch::first);
        CHECK(step(txt({"v=STSv1; id=AB;"}), cached(StsMode::enforce, "ab")).fetch == StsFetch::first);
    }

    TEST_CASE("a fetched policy replaces the cached one at once also if it is weaker [STS-52 STS-55]") {
        const StsMemory memory = cached(StsMode::enforce);
        const StsStep s = step(txt({"v=STSv1; id=new;"}), memory);
        REQUIRE(s.fetch == StsFetch::first);
        for (const StsMode mode : {StsMode::none, StsMode::testing, StsMode::enforce}) {
            const StsState state = sts_from_fetch(s, policy(mode), now);
            CHECK(state.origin == StsOrigin::fetched);
            CHECK(state.expires == now + seconds(86400));  // STS-48
            CHECK(state.id == "new");
            CHECK(state.enforced() == (mode == StsMode::enforce));
            CHECK(state.tested() == (mode == StsMode::testing));
            CHECK_FALSE(state.failure);
        }
    }

    TEST_CASE(
        "a failed fetch keeps what is cached and is reported [STS-28 STS-29 STS-46 RPT-73 RPT-74 RPT-75]") {
        for (const ResultType type : {ResultType::sts_policy_fetch_error, ResultType::sts_policy_invalid,
                                      ResultType::sts_webpki_invalid}) {
            const StsStep bare = step(txt({"v=STSv1; id=new;"}));
            const StsState none = sts_from_failure(bare, {}, {type, "no route"});
            CHECK(none.origin == StsOrigin::none);  // STS-28: as if there were no MTA-STS
            CHECK_FALSE(none.policy);
            REQUIRE(none.failure);
            CHECK(none.failure->type == type);
            CHECK(none.failure->reason == "no route");

            const StsMemory memory = cached(StsMode::enforce);
            const StsState kept =
                sts_from_failure(step(txt({"v=STSv1; id=new;"}), memory), memory, {type, "no route"});
            CHECK(kept.origin == StsOrigin::cached);
            CHECK(kept.enforced());
            CHECK(kept.id == "old");
            REQUIRE(kept.failure);
            CHECK(kept.failure->type == type);
        }
    }

    TEST_CASE("the same id is not tried again within the waiting time [STS-27]") {
        const DnsAnswer answer = txt({"v=STSv1; id=new;"});
        struct Row {
            std::string rule;
            const char* failed_id;
            StsClock at;
            bool fetch;
        };
        for (const Row& row :
             {Row{"just failed", "new", now, false},
              Row{"nearly five minutes", "new", now - minutes(5) + seconds(1), false},
              Row{"five minutes", "new", now - minutes(5), true},
              Row{"long ago", "new", now - minutes(500), true}, Row{"another id", "older", now, true},
              Row{"STS-56: a clock set back does not stop fetching", "new", now + minutes(1), true}}) {
            CAPTURE(row.rule);
            for (const StsMemory& memory : {StsMemory{}, cached(StsMode::enforce)}) {
                const StsMemory failed = with_failure(memory, row.failed_id, row.at);
                const StsStep s = step(answer, failed);
                CHECK((s.fetch == StsFetch::first) == row.fetch);
                if (row.fetch) continue;
                const StsState state = sts_from_memory(s, failed);
                CHECK(state.origin == (memory.policy ? StsOrigin::cached : StsOrigin::none));
                CHECK(state.enforced() == memory.policy.has_value());
                CHECK_FALSE(state.why.empty());
                REQUIRE(state.failure);  // each attempt meets the failure: AMB-23
                CHECK(state.failure->type == ResultType::sts_webpki_invalid);
                CHECK(state.failure->reason == "certificate expired");
            }
        }
        // STS-51: an old failure of the id that is cached by now is nothing.
        const StsMemory mended = with_failure(cached(StsMode::enforce, "new"), "new", now);
        const StsStep s = step(answer, mended);
        CHECK(s.fetch == StsFetch::no);
        CHECK_FALSE(sts_from_memory(s, mended).failure);
    }

    TEST_CASE(
        "an id that is another one at every question costs three fetches an hour and no more [STS-51 "
        "STS-52]") {
        struct Row {
            std::string rule;
            std::vector<StsClock> fetches;
            StsClock fetched_at;
            StsFetch fetch;
        };
        const StsClock long_ago = now - minutes(30);
        for (const Row& row :
             {Row{"the third change", {now - minutes(2), now - minutes(1)}, long_ago, StsFetch::first},
              Row{"the fourth", {now - minutes(3), now - minutes(2), now}, now, StsFetch::no},
              Row{"the fourth and the policy is old",
                  {long_ago, long_ago, long_ago},
                  long_ago,
                  StsFetch::background},
              Row{"exactly as old as a retry",
                  {long_ago, long_ago, long_ago},
                  now - minutes(5),
                  StsFetch::background},
              Row{"the window has passed", {now - minutes(60), now, now}, now, StsFetch::first},
              Row{"a clock set back counts nothing", {now, now, now + minutes(1)}, now, StsFetch::first}}) {
            CAPTURE(row.rule);
            StsMemory memory = cached(StsMode::enforce);
            memory.fetches = row.fetches;
            memory.fetched_at = row.fetched_at;
            const StsStep s = step(txt({"v=STSv1; id=new;"}), memory);
            CHECK(s.fetch == row.fetch);
            CHECK(step(txt({"v=STSv1; id=old;"}), memory).fetch == StsFetch::no);
            // Before the message is given up, nothing that saves effort counts [STS-68].
            CHECK(step(txt({"v=STSv1; id=new;"}), memory, StsUrgency::final).fetch == StsFetch::first);
            if (s.fetch == StsFetch::first) continue;
            const StsState state = sts_from_memory(s, memory);
            CHECK(state.enforced());  // the cached policy serves, and the mail does not wait
            CHECK(state.origin == StsOrigin::cached);
            CHECK(state.why == "the id of the record changes too often");
            CHECK_FALSE(state.failure);  // nothing failed
        }
    }

    TEST_CASE("without a policy every id is fetched unless they all fail [STS-17 STS-27 STS-41]") {
        const DnsAnswer answer = txt({"v=STSv1; id=new;"});
        StsMemory memory;
        memory.fetches = {now, now, now};
        // A max_age of 0 leaves nothing behind, and each delivery needs its fetch.
        CHECK(step(answer, memory).fetch == StsFetch::first);
        memory = with_failure(memory, "other", now - minutes(1));
        const StsStep s = step(answer, memory);
        CHECK(s.fetch == StsFetch::no);
        const StsState state = sts_from_memory(s, memory);
        CHECK(state.origin == StsOrigin::none);
        REQUIRE(state.failure);
        CHECK(state.failure->type == ResultType::sts_webpki_invalid);
        memory.failed_at = now - minutes(5);
        CHECK(step(answer, memory).fetch == StsFetch::first);
    }

    TEST_CASE("the last attempt finds a new policy whatever failed before [STS-68]") {
        const DnsAnswer answer = txt({"v=STSv1; id=new;"});
        struct Row {
            std::string rule;
            StsClock failed_at;
            StsFetch fetch;
        };
        for (const Row& row : {Row{"failed a minute ago", now - minutes(1), StsFetch::first},
                               Row{"failed ten seconds ago", now - seconds(10), StsFetch::first},
                               Row{"failed for the message before", now - seconds(9), StsFetch::no}}) {
            CAPTURE(row.rule);
            for (const StsMemory& memory : {StsMemory{}, cached(StsMode::enforce)}) {
                const StsMemory failed = with_failure(memory, "new", row.failed_at);
                CHECK(step(answer, failed).fetch == StsFetch::no);
                CHECK(step(answer, failed, StsUrgency::final).fetch == row.fetch);
            }
        }
        // The same id means the same policy, also now [STS-51].
        CHECK(step(answer, cached(StsMode::enforce, "new"), StsUrgency::final).fetch == StsFetch::no);
    }

    TEST_CASE("a policy that has run out is gone and a clock set back prolongs none [STS-41 STS-49 STS-56]") {
        StsMemory memory = cached(StsMode::enforce);
        memory.expires = now;
        expire_sts_memory(memory, now - std::chrono::milliseconds(1));
        CHECK(memory.policy);
        expire_sts_memory(memory, now);
        CHECK_FALSE(memory.policy);
        CHECK(step(txt({"v=STSv1; id=old;"}), memory).fetch == StsFetch::first);  // the same id is no policy

        memory = cached(StsMode::enforce);
        memory.fetched_at = now + std::chrono::hours(1000);
        memory.expires = memory.fetched_at + seconds(86400);
        expire_sts_memory(memory, now);
        REQUIRE(memory.policy);
        CHECK(memory.expires == now + seconds(86400));
        expire_sts_memory(memory, now + seconds(86400));
        CHECK_FALSE(memory.policy);

        memory = {};
        expire_sts_memory(memory, now);
        CHECK_FALSE(memory.policy);
    }

    TEST_CASE("of the fetches that a delivery waited for as many are kept as count") {
        StsMemory memory;
        for (int i = 0; i < 10; ++i) note_sts_fetch(memory, now + minutes(i), {.max_id_changes = 3});
        CHECK(memory.fetches == std::vector<StsClock>{now + minutes(7), now + minutes(8), now + minutes(9)});
    }

    TEST_CASE("a fetch that we could not even start holds mail where nothing is cached [STS-78]") {
        const StsStep s = step(txt({"v=STSv1; id=new;"}));
        const StsState unknown = sts_from_no_attempt(s, {}, "too many fetches wait");
        CHECK(unknown.cache_failed);
        CHECK_FALSE(unknown.failure);  // the domain has nothing to mend
        CHECK(unknown.why == "the policy could not be fetched: too many fetches wait");
        const StsState served = sts_from_no_attempt(s, cached(StsMode::enforce), "too many fetches wait");
        CHECK_FALSE(served.cache_failed);
        CHECK(served.enforced());
    }

}  // TEST_SUITE("security/sts_discovery")
