#include "shared/options.h"

#include <stdlib.h>
#include <string.h>

bool options_init(struct options *o) {
    *o = (struct options){
        .scope = SCOPE_HOST,
        .follow = FOLLOW_LINKS,
        .max_url_length = 2048,
        .max_path_depth = 20,
        .max_repeats = 3,
        .max_query_params = 32,
        .delay_ms = 1000,
        .host_connections = 1,
        .ip_connections = 4,
        .timeout_ms = 30000,
        .max_body_bytes = 10u << 20,
        .retries = 3,
        .heartbeat_ms = 1000,
        .lease_ms = 10000,
        .warc_bytes = 1u << 30,
        .warc_level = 1,
    };
    o->user_agent = strdup("trawl/" TRAWL_VERSION);
    return o->user_agent != NULL;
}

void options_release(struct options *o) {
    free(o->user_agent);
    string_list_release(&o->include);
    string_list_release(&o->exclude);
    string_list_release(&o->allow_net);
    string_list_release(&o->sitemaps);
    *o = (struct options){0};
}

bool string_list_add(struct string_list *l, const char *text) {
    char **items = realloc(l->items, (l->count + 1) * sizeof *items);
    if (items == NULL)
        return false;
    l->items = items;
    items[l->count] = strdup(text);
    if (items[l->count] == NULL)
        return false;
    l->count++;
    return true;
}

void string_list_release(struct string_list *l) {
    for (size_t i = 0; i < l->count; i++)
        free(l->items[i]);
    free(l->items);
    *l = (struct string_list){0};
}
