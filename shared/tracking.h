/*
 * tracking: takes from a URL the query parameters that say where a visitor came from and not what the page is
 * (--strip-tracking). Left alone they make one page many.
 *
 * They are, in any letter case:
 *     Google Analytics, Ads   utm_*, gclid, gclsrc, dclid, gbraid, wbraid, srsltid, _ga, _gl
 *     Meta, Instagram         fbclid, igshid, igsh
 *     Microsoft, Yandex       msclkid, yclid, ysclid, _openstat
 *     X, TikTok, LinkedIn     twclid, ttclid, li_fat_id
 *     Matomo, Piwik           mtm_*, matomo_*, pk_*, piwik_*
 *     HubSpot                 _hsenc, _hsmi, __hssc, __hstc, __hsfp, hsCtaTracking
 *     Mailchimp, MailerLite   mc_cid, mc_eid, ml_subscriber, ml_subscriber_hash
 *     Marketo, Vero, Olytics  mkt_tok, vero_id, vero_conv, oly_anon_id, oly_enc_id
 *     others                  rb_clickid, s_cid, wickedid
 * Names that some sites use for what a page is (ref, source, campaign, session ids) are not among them.
 *
 * Pure; any thread.
 */
#ifndef TRAWL_SHARED_TRACKING_H
#define TRAWL_SHARED_TRACKING_H

#include "shared/buf.h"

#include <stdbool.h>
#include <stddef.h>

/* Replaces `out` with the canonical URL without them; what is left is as it was, and canonical. The '?' goes when
 * nothing is left behind it. False: there are none, or `out` has failed: the URL stays as it is. */
bool tracking_strip(const char *url, size_t len, struct buf *out);

#endif
