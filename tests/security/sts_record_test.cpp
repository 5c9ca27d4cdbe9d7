#include "security/sts_record.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace sealpost::security;

namespace {

TxtFound found(const std::vector<std::string>& txts) {
    const TxtSelection<StsRecord> out = select_sts_record(txts);
    CHECK(out.record.has_value() == (out.found == TxtFound::one));
    CHECK(out.why.empty() == (out.found == TxtFound::one || out.found == TxtFound::none));
    return out.found;
}

}  // namespace

TEST_SUITE("security/sts_record") {
    TEST_CASE("fields stand in any order with white space around the semicolons [STS-11 STS-12]") {
        for (const char* text :
             {"v=STSv1;id=20160831085700Z", "v=STSv1; id=20160831085700Z;",
              "v=STSv1;\t id=20160831085700Z ; ", "v=STSv1 ;id=20160831085700Z",
              "v=STSv1;x-y.z_1=a:b<c>;id=20160831085700Z", "v=STSv1;id=20160831085700Z;a=!"}) {
            CAPTURE(text);
            const auto record = parse_sts_record(text);
            REQUIRE(record.has_value());
            CHECK(record->id == "20160831085700Z");
        }
    }

    TEST_CASE("an id has 1 to 32 letters and digits [STS-10]") {
        const std::string longest(32, 'a');
        CHECK(parse_sts_record("v=STSv1;id=" + longest).value().id == longest);
        CHECK(parse_sts_record("v=STSv1;id=Z").value().id == "Z");
        for (const std::string& id :
             {std::string(33, 'a'), std::string(), std::string("a-b"), std::string("a_b"), std::string("a.b"),
              std::string("a b"), std::string("a=b")}) {
            CAPTURE(id);
            CHECK_FALSE(parse_sts_record("v=STSv1;id=" + id).has_value());
        }
        CHECK_FALSE(parse_sts_record("v=STSv1;a=b").has_value());
        CHECK_FALSE(parse_sts_record("v=STSv1;ID=1").has_value());
    }

    TEST_CASE("a record that breaks the grammar is invalid [STS-08 STS-14]") {
        for (const std::string& text : {std::string("v=STSv1"),
                                        std::string("v=STSv1;"),
                                        std::string("v=STSv1; "),
                                        std::string("v=STSv1;;id=1"),
                                        std::string("v=STSv1;id=1;;"),
                                        std::string("v=STSv1;id=1;;a=b"),
                                        std::string("v=STSv1;id"),
                                        std::string("v=STSv1;id =1"),
                                        std::string("v=STSv1;id= 1"),
                                        std::string("v=STSv1;id=1 "),
                                        std::string("v=STSv1;id=1;a="),
                                        std::string("v=STSv1;id=1;a=b=c"),
                                        std::string("v=STSv1;id=1;=b"),
                                        std::string("v=STSv1;id=1;-a=b"),
                                        std::string("v=STSv1;id=1;a b=c"),
                                        std::string("v=STSv1id=1"),
                                        std::string("v=STSv1,id=1"),
                                        std::string(" v=STSv1;id=1"),
                                        std::string("v=STSv1;id=1;a=\xC3\xBC"),
                                        std::string("v=STSv1;id=1\0", 13),
                                        std::string("v=STSv1;id=1;\r\na=b"),
                                        "v=STSv1;id=1;" + std::string(33, 'a') + "=b",
                                        "v=STSv1;id=1;a=" + std::string(9000, 'b')}) {
            CAPTURE(text);
            CHECK_FALSE(parse_sts_record(text).has_value());
        }
    }

    TEST_CASE("of several ids the first counts even if a later one is malformed [STS-13 AMB-36]") {
        CHECK(parse_sts_record("v=STSv1;id=1;id=2").value().id == "1");
        CHECK(parse_sts_record("v=STSv1;id=1;id=a-b;id=").value().id == "1");
        CHECK_FALSE(parse_sts_record("v=STSv1;id=a-b;id=1").has_value());
    }

    TEST_CASE("the version is case-sensitive and first [STS-09]") {
        for (const char* text : {"V=STSv1;id=1", "v=stsv1;id=1", "id=1;v=STSv1", "v=STSv2;id=1",
                                 "v=STSv11;id=1", " v=STSv1;id=1", "", "v=spf1 -all"}) {
            CAPTURE(text);
            CHECK(found({text}) == TxtFound::none);
        }
    }

    TEST_CASE("foreign records are discarded before they are counted [STS-06]") {
        CHECK(found({}) == TxtFound::none);
        CHECK(found({"v=spf1 -all", "v=STSv1;id=1", "x"}) == TxtFound::one);
        CHECK(select_sts_record({"v=spf1 -all", "v=STSv1;id=1"}).record == StsRecord{"1"});
    }

    TEST_CASE("two records of the version are none even if one alone parses [STS-07]") {
        CHECK(found({"v=STSv1;id=1", "v=STSv1;id=1"}) == TxtFound::several);
        CHECK(found({"v=STSv1;id=1", "v=STSv1;"}) == TxtFound::several);
    }

    TEST_CASE("one record of the version that is malformed is not a live policy [STS-07 STS-08]") {
        CHECK(found({"v=STSv1;"}) == TxtFound::invalid);
        CHECK(found({"v=STSv1;id=!", "v=spf1 -all"}) == TxtFound::invalid);
    }

    TEST_CASE("white space before the first semicolon passes in a sole record only [AMB-13 STS-06]") {
        CHECK(found({"v=STSv1 ; id=1"}) == TxtFound::one);
        CHECK(found({"v=STSv1 ; id=1", "v=spf1 -all"}) == TxtFound::none);
        CHECK(found({"v=STSv1 ; id=1", "v=STSv1;id=2"}) == TxtFound::one);
        CHECK(select_sts_record({"v=STSv1 ; id=1", "v=STSv1;id=2"}).record == StsRecord{"2"});
    }

    TEST_CASE("only equality of ids means anything [STS-15]") {
        CHECK(parse_sts_record("v=STSv1;id=01").value() != parse_sts_record("v=STSv1;id=1").value());
        CHECK(parse_sts_record("v=STSv1;id=a").value() != parse_sts_record("v=STSv1;id=A").value());
    }

    TEST_CASE("what was tolerated in a record is said in sentences [STS-12 STS-13 AMB-13]") {
        CHECK(parse_sts_record("v=STSv1; id=1;").value().diagnoses.empty());
        CHECK(parse_sts_record("v=STSv1;id=1;id=2;x=y").value().diagnoses ==
              std::vector<std::string>{"The field 'id' stands there again and is ignored: the first counts.",
                                       "The field 'x' is unknown and ignored."});
        CHECK(parse_sts_record("v=STSv1 ;id=1").value().diagnoses ==
              std::vector<std::string>{"There is white space before the first semicolon: senders that see "
                                       "another TXT record beside this one pass it over."});
        std::string many = "v=STSv1;id=1";
        for (int i = 0; i < 100; ++i) many += ";x=y";
        const StsRecord record = parse_sts_record(many).value();
        REQUIRE(record.diagnoses.size() == max_sts_record_diagnoses);
        CHECK(record.diagnoses.back() == "There are more remarks of this kind.");
    }

    TEST_CASE("what an error quotes is printable") {
        CHECK(parse_sts_record("v=STSv1;id=a\tb").error().text ==
              "MTA-STS record: id 'a\\x09b' is not 1 to 32 letters and digits");
    }

}  // TEST_SUITE("security/sts_record")
