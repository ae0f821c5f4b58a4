import content from "./compare_content.mjs";
import cookies from "./compare_cookies.mjs";
import fields from "./compare_fields.mjs";
import { charset, mime, refresh, text } from "./compare_mime.mjs";
import url from "./compare_url.mjs";

import framing from "./compare_framing.mjs";
import page from "./compare_page.mjs";

export const comparisons = [url, mime, charset, text, refresh, content, fields, page, framing, cookies];
