"""A crawl with Scrapy for scripts/bench.sh: every link within the seeds' hosts is followed, nothing is stored.

    scrapy runspider bench/spider.py -a seeds=URL,URL... -s CLOSESPIDER_PAGECOUNT=1500
"""
from urllib.parse import urlsplit

import scrapy
from scrapy.http import HtmlResponse
from scrapy.linkextractors import LinkExtractor


class Bench(scrapy.Spider):
    name = "bench"
    custom_settings = {
        "CONCURRENT_REQUESTS": 64,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 32,
        "ROBOTSTXT_OBEY": True,
        "RETRY_ENABLED": False,
        "TELNETCONSOLE_ENABLED": False,
        "COOKIES_ENABLED": False,
        "LOG_LEVEL": "ERROR",
    }

    def __init__(self, seeds, **kwargs):
        super().__init__(**kwargs)
        self.start_urls = seeds.split(",")
        self.allowed_domains = [urlsplit(seed).hostname for seed in self.start_urls]
        self.links = LinkExtractor()

    def parse(self, response, **kwargs):
        if isinstance(response, HtmlResponse):
            for link in self.links.extract_links(response):
                yield scrapy.Request(link.url)
