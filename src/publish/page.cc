#include "publish/page.h"

#include "base/check.h"

// .incbin rather than a generated array: the compiler need not read the page as C++.
asm(".section .rodata\n"
    ".global tomograph_page_begin\n"
    "tomograph_page_begin:\n"
    ".incbin \"" TOMOGRAPH_PAGE_FILE
    "\"\n"
    ".global tomograph_page_end\n"
    "tomograph_page_end:\n"
    ".byte 0\n"
    ".text\n");

extern "C" {
extern const char tomograph_page_begin[];
extern const char tomograph_page_end[];
}

namespace tomograph::publish {

ByteView PageHtml() {
  return ByteView(tomograph_page_begin,
                  static_cast<size_t>(tomograph_page_end - tomograph_page_begin));
}

std::string PageWithData(std::string_view json) {
  // The page's data element; empty in the built page.
  static constexpr std::string_view kSlot =
      "<script type=\"application/json\" id=\"tomograph-data\">";
  const ByteView page = PageHtml();
  const size_t slot = page.find(kSlot);
  TG_CHECK(slot != ByteView::npos);
  const size_t at = slot + kSlot.size();
  std::string out;
  out.reserve(page.size() + json.size() + json.size() / 16);
  out.append(page.substr(0, at));
  for (const char c : json) {
    // '<' occurs in JSON inside strings alone, where its escape means the same.
    if (c == '<')
      out.append("\\u003c");
    else
      out.push_back(c);
  }
  out.append(page.substr(at));
  return out;
}

}  // namespace tomograph::publish
