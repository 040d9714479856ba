# What a decision needs of a host, read by the barest means: about what host_info reads. Run by root; bench/run sets the variables.
cat /etc/os-release /proc/meminfo
uname -r
for device in /sys/bus/pci/devices/*; do cat "$device/vendor" "$device/device" "$device/class"; done 2>/dev/null
cat /sys/class/kfd/kfd/topology/nodes/*/properties /sys/module/amdgpu/version 2>/dev/null
ls -ln /dev/kfd /dev/dri /lib/firmware/amdgpu /boot
getent group video render
getent passwd "$USER_NAME"
id "$USER_NAME"
cat /etc/apt/sources.list /etc/apt/sources.list.d/*
# shellcheck disable=SC2086
dpkg-query --show $PACKAGES
dpkg --audit
cat /etc/docker/daemon.json
sha256sum "/etc/docker/certs.d/$REGISTRY/ca.crt"
systemctl is-active docker
systemctl is-enabled docker
docker version --format '{{.Server.Version}}'
docker image inspect "$IMAGE"
docker container inspect "$NAME"
df -Pm /var/lib/docker "$HOME_DIRECTORY"
ls -lnR "$HOME_DIRECTORY/dockerx/webui_data/models"
ss -ltn 2>/dev/null || cat /proc/net/tcp
dmesg 2>/dev/null | grep -i amdgpu
python3 -c "import urllib.request as u; print(u.urlopen('http://$LISTEN/sdapi/v1/sd-models', timeout=5).read())"
exit 0
