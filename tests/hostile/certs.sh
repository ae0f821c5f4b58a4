#!/usr/bin/env bash
# certs.sh DIR NET: a certification authority, DIR/ca.pem, and certificates DIR/NAME.pem for NET.1 to NET.200: a good one,
# and one for each fault that a certificate may have.
set -eu
cd "$1"
everyone=$(seq -s, -f "IP:$2.%g" 200)

cat >ca.conf <<CONF
[ca]
default_ca = it
[it]
dir = .
database = ca.txt
new_certs_dir = .
serial = ca.serial
default_md = sha256
policy = any
x509_extensions = leaf
copy_extensions = copy
[any]
commonName = supplied
[leaf]
basicConstraints = CA:FALSE
CONF

# self_signed NAME EXTENSION
self_signed() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1.key" -out "$1.pem" -days 30 \
        -subj "/CN=$1" -addext "$2"
}

# leaf NAME SUBJECT-ALT-NAME AUTHORITY BEGIN END [EXTENSION]
leaf() {
    : >ca.txt
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=$1" \
        -addext "subjectAltName=$2" ${6:+-addext "$6"}
    openssl ca -batch -config ca.conf -cert "$3.pem" -keyfile "$3.key" -rand_serial -in "$1.csr" -out "$1.pem" -notext \
        -startdate "$4" -enddate "$5"
}

self_signed ca basicConstraints=critical,CA:TRUE
self_signed stranger basicConstraints=critical,CA:TRUE
self_signed self-signed "subjectAltName=$everyone"
then=20200101000000Z
yesterday=$(date -u -d yesterday +%Y%m%d%H%M%SZ)
tomorrow=$(date -u -d tomorrow +%Y%m%d%H%M%SZ)
later=$(date -u -d '2 days' +%Y%m%d%H%M%SZ)
leaf good "$everyone" ca "$yesterday" "$tomorrow"
leaf expired "$everyone" ca "$then" "$yesterday"
leaf not-yet "$everyone" ca "$tomorrow" "$later"
leaf wrong-host DNS:other.example ca "$yesterday" "$tomorrow"
leaf untrusted "$everyone" stranger "$yesterday" "$tomorrow"
# What signed it is not sent, but named: a certificate whose intermediate the server forgot.
leaf chain-less "$everyone" stranger "$yesterday" "$tomorrow" "authorityInfoAccess=caIssuers;URI:http://$2.1/stranger.der"
