# The same end state by bare commands, each once, with nothing compared. Run by root on a bare host; bench/run sets the variables.
set -eu
export DEBIAN_FRONTEND=noninteractive

. /etc/os-release
for suite in "$VERSION_CODENAME" "$VERSION_CODENAME-updates"; do
    echo "deb http://deb.debian.org/debian $suite $COMPONENT"
done >/etc/apt/sources.list.d/navilab-firmware.list
[ ! -e /etc/apt/sources.list.d/debian.sources ] ||
    sed -i 's,^deb ,deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ,' /etc/apt/sources.list.d/navilab-firmware.list

mkdir -p "/etc/docker/certs.d/$REGISTRY"
printf '%s' "$DAEMON_JSON" >/etc/docker/daemon.json
printf '%s' "$REGISTRY_CA" >"/etc/docker/certs.d/$REGISTRY/ca.crt"

apt-get update -qq
# shellcheck disable=SC2086
apt-get install -qq -y --no-install-recommends $PACKAGES >/dev/null
usermod -aG video,render "$USER_NAME"

for directory in $DIRECTORIES; do
    install -d -o "$USER_NAME" -g "$USER_NAME" "$HOME_DIRECTORY/$directory"
done
echo "$MODEL_BASE64" | base64 -d >"$HOME_DIRECTORY/$MODEL_PATH"
chown "$USER_NAME:$USER_NAME" "$HOME_DIRECTORY/$MODEL_PATH"

docker pull -q "$IMAGE"
eval "docker run --detach $RUN_ARGUMENTS \
    --group-add=$(getent group video | cut -d: -f3) --group-add=$(getent group render | cut -d: -f3) $IMAGE $COMMAND"
for _ in $(seq 300); do
    python3 -c "import urllib.request as u; u.urlopen('http://$LISTEN/sdapi/v1/sd-models', timeout=5)" 2>/dev/null && exit
    sleep 0.3
done
exit 1
