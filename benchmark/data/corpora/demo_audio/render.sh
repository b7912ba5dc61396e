#!/bin/sh
# Renders the bundled demo speech once: 40 Harvard sentences (IEEE 297-1969, lists 1-4), spoken in turn by flite 2.2's
# free voices kal16, awb, rms and slt (Debian packages flite and flac). Run in this folder; texts.csv is the input.
set -eu
grep -vE '^id|hibari|joe' texts.csv | while IFS='|' read -r id speaker text; do
  flite -voice "$speaker" -t "$text" -o "/tmp/$id.wav"
  flac --silent --force --best "/tmp/$id.wav" -o "$id.flac"
  rm "/tmp/$id.wav"
done
