import encoding from "whatwg-encoding";

// Between byte strings (one character a byte) and text.
export const toBuffer = (bytes) => Buffer.from(bytes, "latin1");
export const fromBuffer = (buffer) => Buffer.from(buffer).toString("latin1");
export const utf8 = (text) => Buffer.from(text, "utf8").toString("latin1");
export const decodeUtf8 = (bytes) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(toBuffer(bytes));

// As the Encoding standard decodes; iconv-lite leaves holes in windows-1252 that the standard does not (index 1, 13, 15,
// 16 and 29 of it are the controls).
export function decodeBytes(bytes, name) {
    if (name === "UTF-8")       // iconv-lite takes two U+FFFD for some malformed sequences that are one
        return new TextDecoder().decode(toBuffer(bytes));
    if (name !== "windows-1252")
        return encoding.decode(toBuffer(bytes), name);
    const holes = /[\x81\x8d\x8f\x90\x9d]/;
    return /^(\xef\xbb\xbf|\xff\xfe|\xfe\xff)/.test(bytes) || !holes.test(bytes) ? encoding.decode(toBuffer(bytes), name)
        : bytes.split(/([\x81\x8d\x8f\x90\x9d])/).map((part) => holes.test(part) ? part : encoding.decode(toBuffer(part), name)).join("");
}
