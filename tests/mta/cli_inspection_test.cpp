#include "mta/cli/inspection.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>

#include "mta/cli/run.hpp"
#include "security/tlsa.hpp"

using namespace sealpost;
using namespace sealpost::cli;

namespace json = boost::json;

namespace {

const std::string sha256(64, 'a');
const std::string good_policy =
    "version: STSv1\r\nmode: enforce\r\nmx: *.Example.org\r\nmx: mx.example\r\nmax_age: 604800\r\n";

/// The answer, which must be of the schema and agree with the exit code.
json::object checked(const Inspection& inspection) {
    CHECK(inspection.answer.at("schema") == 1);
    const bool ok = inspection.answer.at("ok").as_bool();
    CHECK(inspection.code == (ok ? ExitCode::ok : ExitCode::data));
    if (const auto* error = inspection.answer.if_contains("error")) {
        CHECK_FALSE(ok);
        CHECK_FALSE(error->as_string().empty());
    }
    return inspection.answer;
}

std::string error_of(const Inspection& inspection) {
    const json::object answer = checked(inspection);
    REQUIRE(answer.contains("error"));
    return std::string(answer.at("error").as_string());
}

bool tells(const std::string& text, std::string_view part) {
    CAPTURE(text);
    return text.find(part) != std::string::npos;
}

/// A whole command line, as main() has it.
struct Ran {
    int code;
    std::string out;
    std::string err;
};
Ran run_line(const std::vector<std::string>& arguments) {
    const auto file = [] {
        return std::unique_ptr<std::FILE, int (*)(std::FILE*)>(std::tmpfile(), std::fclose);
    };
    const auto out = file();
    const auto err = file();
    const auto text = [](std::FILE* from) {
        std::rewind(from);
        std::string all(100'000, '\0');
        all.resize(std::fread(all.data(), 1, all.size(), from));
        return all;
    };
    const int code = run(arguments, [](const LoadedSettings&) { return -1; }, {out.get(), err.get()});
    return {code, text(out.get()), text(err.get())};
}

struct TempFolder {
    std::filesystem::path path =
        std::filesystem::temp_directory_path() / fmt::format("sealpost-lint-{}", ::getpid());
    TempFolder() { std::filesystem::create_directory(path); }
    ~TempFolder() { std::filesystem::remove_all(path); }
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;
    [[nodiscard]] std::string file(const char* name, const std::string& text) const {
        std::ofstream(path / name, std::ios::binary) << text;
        return path / name;
    }
};

}  // namespace

TEST_SUITE("mta/cli/inspection") {
    TEST_CASE("a policy is shown as it is understood and with what was tolerated") {
        const json::object plain = checked(lint_sts_policy(good_policy));
        CHECK(json::serialize(plain) ==
              R"({"schema":1,"ok":true,"policy":{"version":"STSv1","mode":"enforce","max_age":604800,)"
              R"("mx":["*.example.org","mx.example"]},"diagnoses":[]})");
        const json::object tolerated = checked(lint_sts_policy(good_policy + "\r\nmode: none\r\n"));
        CHECK(tolerated.at("policy").as_object().at("mode") == "enforce");
        CHECK(tolerated.at("diagnoses").as_array().size() == 2);
        const json::object none = checked(lint_sts_policy("version: STSv1\nmode: none\nmax_age: 1\n"));
        CHECK(none.at("policy").as_object().at("mx").as_array().empty());
    }

    TEST_CASE("a policy that a sender would not take is refused with the line") {
        CHECK(tells(error_of(lint_sts_policy("version: STSv1\nmode: enforced\n")), "line 2"));
        CHECK(tells(error_of(lint_sts_policy("")), "empty"));
        CHECK(
            tells(error_of(lint_sts_policy("version: STSv1\nmode: enforce\nmax_age: 1\n")), "without an mx"));
        CHECK(tells(error_of(lint_sts_policy("\xEF\xBB\xBFversion: STSv1\n")), "line 1"));
    }

    TEST_CASE("a policy is read up to the limit of a sender and not beyond") {
        const std::string fill(longest_sts_policy - good_policy.size() - 3, 'x');
        CHECK(checked(lint_sts_policy(good_policy + "x: " + fill)).at("ok").as_bool());
        CHECK(tells(error_of(lint_sts_policy(good_policy + "x: " + fill + "x")), "65536"));
    }

    TEST_CASE("TXT records are chosen among before one is read [STS-06 STS-07 STS-09]") {
        const json::object one = checked(lint_sts_record({"v=spf1 -all", "v=STSv1; id=20260101;"}));
        CHECK(json::serialize(one) ==
              R"({"schema":1,"ok":true,"record":{"version":"STSv1","id":"20260101"},"diagnoses":[]})");
        CHECK(tells(error_of(lint_sts_record({"v=STSv1; id=1;", "v=STSv1; id=1;"})), "2 records"));
        CHECK(tells(error_of(lint_sts_record({"v=STSv1; id=1;", "v=STSv1;"})), "2 records"));
        CHECK(
            tells(error_of(lint_sts_record({"v=stsv1; id=1;", "v=spf1 -all"})), "none of the 2 TXT records"));
        CHECK(tells(error_of(lint_sts_record({"v=spf1 -all"})), "the TXT record does not start"));
        CHECK(tells(error_of(lint_sts_record({"v=STSv1; id=a-b;"})), "'a-b'"));
    }

    TEST_CASE(
        "a TLSA RRset is decoded into numbers and acronyms and what they mean [DANE-87 DANE-45 DANE-46]") {
        const json::object answer =
            checked(decode_tlsa({"DANE-EE SPKI SHA2-256 " + sha256, "3 1 2 " + sha256 + sha256,
                                 "3 1 2 " + sha256 + sha256, "\\# 2 0301", "1 1 1 " + sha256}));
        CHECK(answer.at("ok").as_bool());
        CHECK(answer.at("meaning") == "TLS required, authentication by 1 record");
        const json::array& records = answer.at("records").as_array();
        REQUIRE(records.size() == 5);
        const char* const uses[] = {"superseded", "used", "duplicate", "unusable", "unusable"};
        for (std::size_t i = 0; i < records.size(); ++i) {
            CAPTURE(i);
            CHECK(records[i].at("use") == uses[i]);
            CHECK(records[i].as_object().contains("why") == (i != 1));
            CHECK(records[i].as_object().contains("fault") == (i > 2));
            CHECK(records[i].as_object().contains("usage") == (i != 3));
        }
        CHECK(records[0].at("usage").at("number") == 3);
        CHECK(records[0].at("usage").at("acronym") == "DANE-EE");
        CHECK(records[0].at("selector").at("acronym") == "SPKI");
        CHECK(records[1].at("matching_type").at("acronym") == "SHA2-512");
        CHECK(records[1].at("octets") == 64);
        CHECK(records[3].at("record") == "\\# 2 0301");
        CHECK(records[4].at("fault") == "pkix-usage");
    }

    TEST_CASE("a TLSA RRset without a usable record still demands TLS [DANE-33]") {
        const json::object answer = checked(decode_tlsa({"0 0 1 " + sha256}));
        CHECK_FALSE(answer.at("ok").as_bool());
        CHECK(answer.at("meaning") == "TLS required, authentication impossible");
        CHECK_FALSE(answer.contains("error"));
        CHECK(checked(decode_tlsa({"\\# 0"})).at("records").as_array().size() == 1);
    }

    TEST_CASE("what is no TLSA record is named with its place and the remedy") {
        CHECK(tells(error_of(decode_tlsa({"3 1 1 " + sha256, "3 1 x ab"})),
                    "record 2: 'x' is not a matching type"));
        CHECK(tells(error_of(decode_tlsa({"3", "1", "1", sha256})), "in quotes"));
        CHECK(tells(error_of(decode_tlsa(std::vector<std::string>(101, "3 1 1 " + sha256))), "101"));
    }

    TEST_CASE("the commands print one line of JSON and need no configuration") {
        const TempFolder folder;
        const std::string file = folder.file("policy", good_policy);
        for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
                 {"sts", "lint", file},
                 {"sts", "lint", "--json", file},
                 {"-c", "/nonexistent", "sts", "lint", file},
                 {"sts", "lint", "--record", "v=spf1 -all", "--record", "v=STSv1; id=1;"},
                 {"tlsa", "decode", "3 1 1 " + sha256, "\\# 35 020101" + sha256},
                 {"tlsa", "decode", "--json", "030101" + sha256}}) {
            const Ran ran = run_line(arguments);
            CAPTURE(ran.err);
            CHECK(ran.code == 0);
            CHECK(ran.err.empty());
            REQUIRE(ran.out.ends_with('\n'));
            CHECK(ran.out.find('\n') == ran.out.size() - 1);
            CHECK(json::parse(ran.out).at("ok").as_bool());
        }
        const Ran invalid = run_line({"sts", "lint", folder.file("bad", "mode: enforce\n")});
        CHECK(invalid.code == 65);
        CHECK_FALSE(json::parse(invalid.out).at("ok").as_bool());
        CHECK(run_line({"sts", "lint", "--record", "nothing"}).code == 65);
        CHECK(run_line({"tlsa", "decode", "1 1 1 " + sha256}).code == 65);
    }

    TEST_CASE("a file without end is read to the limit and one that cannot be read is named") {
        const Ran endless = run_line({"sts", "lint", "/dev/zero"});
        CHECK(endless.code == 65);
        CHECK(tells(endless.out, "longer than 65536"));
        CHECK(read_input("/dev/zero", 5).value() == std::string(5, '\0'));
        const TempFolder folder;
        for (const std::string& name : {(folder.path / "missing").string(), folder.path.string()}) {
            const Ran ran = run_line({"sts", "lint", name});
            CHECK(ran.code == 66);
            CHECK(ran.out.empty());
            CHECK(tells(ran.err, name));
            CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 1);
        }
        CHECK_FALSE(tells(run_line({"sts", "lint", "/\x1b[31m"}).err, "\x1b"));
    }
}  // TEST_SUITE("mta/cli/inspection")
