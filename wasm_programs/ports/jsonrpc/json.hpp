// JSON values: parsed by recursive descent with exceptions for errors, printed through a stream.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iomanip>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

struct JsonError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class Json {
public:
    using Members = std::map<std::string, Json>;

    Json() = default;
    explicit Json(bool value) : value_(value) {}
    explicit Json(double value) : value_(value) {}
    explicit Json(std::string value) : value_(std::move(value)) {}
    explicit Json(const char *value) : value_(std::string(value)) {}
    static Json array(std::vector<Json> items) { return make(std::move(items)); }
    static Json object(Members members) { return make(std::move(members)); }

    static Json parse(const std::string &text) {
        std::istringstream in(text);
        in >> std::noskipws;
        Json value = read(in, 0);
        if (next(in) != EOF) throw JsonError("Parse error: something follows the value");
        return value;
    }

    const std::vector<Json> &items() const { return as<std::vector<Json>>("an array"); }
    const Json &at(std::size_t index) const { return items().at(index); }
    bool has(const std::string &name) const { return as<Members>("an object").count(name) != 0; }
    const Json &member(const std::string &name) const {
        if (!has(name)) throw JsonError("Invalid request: no '" + name + "'");
        return std::get<Members>(value_).at(name);
    }
    const std::string &string() const { return as<std::string>("a string"); }
    double number() const { return as<double>("a number"); }

    std::string text() const {
        std::ostringstream out;
        print(out);
        return out.str();
    }

private:
    std::variant<std::nullptr_t, bool, double, std::string, std::vector<Json>, Members> value_ = nullptr;

    template <typename T> static Json make(T value) {
        Json json;
        json.value_ = std::move(value);
        return json;
    }

    template <typename T> const T &as(const char *name) const try {
        return std::get<T>(value_);
    } catch (const std::bad_variant_access &) {
        throw JsonError(std::string("Invalid params: not ") + name);
    }

    void print(std::ostream &out) const {
        if (std::holds_alternative<std::nullptr_t>(value_)) {
            out << "null";
        } else if (auto *flag = std::get_if<bool>(&value_)) {
            out << std::boolalpha << *flag;
        } else if (auto *number = std::get_if<double>(&value_)) {
            out << std::setprecision(15) << *number;
        } else if (auto *text = std::get_if<std::string>(&value_)) {
            print(out, *text);
        } else if (auto *items = std::get_if<std::vector<Json>>(&value_)) {
            const char *before = "[";
            for (const Json &item : *items) {
                out << std::exchange(before, ",");
                item.print(out);
            }
            out << (items->empty() ? "[]" : "]");
        } else {
            const char *before = "{";
            for (const auto &[name, member] : std::get<Members>(value_)) {
                print(out << std::exchange(before, ","), name);
                member.print(out << ':');
            }
            out << (*before == '{' ? "{}" : "}");
        }
    }

    static void print(std::ostream &out, const std::string &text) {
        out << '"';
        for (unsigned char c : text) {
            if (c == '"' || c == '\\') out << '\\' << char(c);
            else if (c < 0x20) out << "\\u" << std::hex << std::setw(4) << std::setfill('0') << int(c) << std::dec;
            else out << char(c);
        }
        out << '"';
    }

    static int next(std::istream &in) {
        while (in.peek() == ' ' || in.peek() == '\t' || in.peek() == '\r') in.get();
        return in.peek();
    }

    static void expect(std::istream &in, char wanted) {
        if (next(in) != wanted) throw JsonError(std::string("Parse error: no '") + wanted + "'");
        in.get();
    }

    static Json read(std::istream &in, int depth) {
        if (depth > 200) throw JsonError("Parse error: too deep");
        switch (int c = next(in)) {
        case '"': return Json(read_string(in));
        case '[': {
            std::vector<Json> items;
            for (in.get(); next(in) != ']'; items.push_back(read(in, depth + 1)))
                if (!items.empty()) expect(in, ',');
            in.get();
            return array(std::move(items));
        }
        case '{': {
            Members members;
            for (in.get(); next(in) != '}';) {
                if (!members.empty()) expect(in, ',');
                if (next(in) != '"') throw JsonError("Parse error: a name must be a string");
                std::string name = read_string(in);
                expect(in, ':');
                members[name] = read(in, depth + 1);
            }
            in.get();
            return object(std::move(members));
        }
        case 't': return word(in, "true", Json(true));
        case 'f': return word(in, "false", Json(false));
        case 'n': return word(in, "null", Json());
        default: {
            std::string digits;
            while (std::isdigit(in.peek()) || (in.peek() != EOF && std::string("+-.eE").find(char(in.peek())) != std::string::npos))
                digits += char(in.get());
            std::size_t used = 0;
            double number = 0;
            try {
                number = std::stod(digits, &used);
            } catch (const std::invalid_argument &) {
                throw JsonError(std::string("Parse error: unexpected ") + (c == EOF ? "end" : std::string("'") + char(c) + "'"));
            }
            if (used != digits.size()) throw JsonError("Parse error: '" + digits + "' is no number");
            return Json(number);
        }
        }
    }

    static Json word(std::istream &in, const std::string &text, Json value) {
        for (char c : text)
            if (in.get() != c) throw JsonError("Parse error: no '" + text + "'");
        return value;
    }

    static std::string read_string(std::istream &in) {
        std::string text;
        for (int c = in.get(); (c = in.get()) != '"';) {
            if (c == EOF || c < 0x20) throw JsonError("Parse error: a string does not end");
            if (c == '\\') {
                switch (c = in.get()) {
                case 'n': c = '\n'; break;
                case 't': c = '\t'; break;
                case 'r': c = '\r'; break;
                case '"': case '\\': case '/': break;
                case 'u': {
                    std::string digits(4, '0');
                    in.read(digits.data(), 4);
                    c = std::stoi(digits, nullptr, 16);
                    if (c > 0x7f) throw JsonError("Parse error: only ASCII after \\u");
                    break;
                }
                default: throw JsonError("Parse error: unknown escape");
                }
            }
            text += char(c);
        }
        return text;
    }
};
