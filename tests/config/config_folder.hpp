/// \file A configuration folder of its own for one test, gone when the test ends.
#pragma once
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>

#include "config/settings_file.hpp"

namespace sealpost {

class ConfigFolder {
public:
    ConfigFolder() {
        std::string pattern = std::filesystem::temp_directory_path() / "sealpost-config-XXXXXX";
        if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
        path_ = pattern;
    }
    explicit ConfigFolder(std::string_view main_text) : ConfigFolder() { write("sealpost.toml", main_text); }
    ~ConfigFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    ConfigFolder(const ConfigFolder&) = delete;
    ConfigFolder& operator=(const ConfigFolder&) = delete;

    void write(const std::string& name, std::string_view text) const {
        std::filesystem::create_directories((path_ / name).parent_path());
        std::ofstream(path_ / name, std::ios::binary) << text;
    }
    [[nodiscard]] std::string path(const std::string& name) const { return path_ / name; }
    [[nodiscard]] tl::expected<LoadedSettings, ConfigProblems> load(bool must_exist = true) const {
        return load_settings(path_ / "sealpost.toml", must_exist);
    }
    /// The problems, one a line, without the folder's own path; "" when there are none.
    [[nodiscard]] std::string problems() const {
        const auto loaded = load();
        std::string text;
        if (loaded) return text;
        for (const std::string& line : loaded.error()) text += line + "\n";
        const std::string prefix = path_.native() + "/";
        for (std::size_t at = 0; (at = text.find(prefix, at)) != std::string::npos;)
            text.erase(at, prefix.size());
        return text;
    }

private:
    std::filesystem::path path_;
};

/// The problems of one main file.
inline std::string problems_of(std::string_view main_text) {
    return ConfigFolder(main_text).problems();
}

}  // namespace sealpost
