// SPDX-License-Identifier: GPL-2.0
/*
 * COM1, a 16550A. Transmission takes no time. Input, if any, comes from
 * standard input through a thread of its own, which takes the machine's lock
 * for every byte; everything else runs at port exits with the lock held.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "vm.h"

enum {
	REG_DATA,
	REG_IER,
	REG_IIR,		/* FIFO control when written */
	REG_LCR,
	REG_MCR,
	REG_LSR,
	REG_MSR,
	REG_SCR,
};

#define IER_RX		0x01
#define IER_TX		0x02
#define IER_MASK	0x0f
#define IIR_NONE	0x01
#define IIR_TX		0x02
#define IIR_RX		0x04
#define IIR_FIFO	0xc0
#define FCR_ENABLE	0x01
#define FCR_CLEAR_RX	0x02
#define LCR_DLAB	0x80
#define MCR_LOOP	0x10
#define LSR_RX_READY	0x01
#define LSR_TX_EMPTY	0x60
#define MSR_CONNECTED	0xb0	/* DCD, DSR, CTS */

#define RX_SIZE		1024	/* power of two */

/* Ctrl-A x ends an interactive run. */
#define ESCAPE_KEY	0x01

struct serial {
	struct vm *vm;
	FILE *out;
	u8 ier, fcr, lcr, mcr, scr, dll, dlm;
	bool tx_irq;		/* holding register ran empty, not yet read */
	bool irq_level;
	u8 rx[RX_SIZE];
	unsigned rx_head, rx_tail;
	bool raw;
	struct termios saved;
};

static bool rx_ready(const struct serial *s)
{
	return s->rx_head != s->rx_tail;
}

static u8 pending_irq(const struct serial *s)
{
	if ((s->ier & IER_RX) && rx_ready(s))
		return IIR_RX;
	if ((s->ier & IER_TX) && s->tx_irq)
		return IIR_TX;
	return IIR_NONE;
}

static void update_irq(struct serial *s)
{
	struct kvm_irq_level irq = { .irq = COM1_GSI };
	bool level = pending_irq(s) != IIR_NONE;

	if (level == s->irq_level)
		return;
	s->irq_level = level;
	irq.level = level;
	if (ioctl(s->vm->fd, KVM_IRQ_LINE, &irq) < 0)
		log_debug("KVM_IRQ_LINE: %s", strerror(errno));
}

/* A byte that finds no room is lost, as on the wire. */
static void receive(struct serial *s, u8 byte)
{
	if (s->rx_head - s->rx_tail < RX_SIZE)
		s->rx[s->rx_head++ % RX_SIZE] = byte;
}

static u8 take_received(struct serial *s)
{
	return rx_ready(s) ? s->rx[s->rx_tail++ % RX_SIZE] : 0;
}

/* In loopback the modem outputs appear at the modem inputs. */
static u8 modem_status(const struct serial *s)
{
	if (!(s->mcr & MCR_LOOP))
		return MSR_CONNECTED;
	return (u8)((s->mcr & 0x01) << 5 | (s->mcr & 0x02) << 3 |
		    (s->mcr & 0x04) << 4 | (s->mcr & 0x08) << 4);
}

u8 serial_in(struct serial *s, unsigned reg)
{
	bool dlab = s->lcr & LCR_DLAB;
	u8 val;

	switch (reg) {
	case REG_DATA:
		if (dlab)
			return s->dll;
		val = take_received(s);
		update_irq(s);
		return val;
	case REG_IER:
		return dlab ? s->dlm : s->ier;
	case REG_IIR:
		val = pending_irq(s);
		if (val == IIR_TX) {
			s->tx_irq = false;
			update_irq(s);
		}
		return val | (s->fcr & FCR_ENABLE ? IIR_FIFO : 0);
	case REG_LCR:
		return s->lcr;
	case REG_MCR:
		return s->mcr;
	case REG_LSR:
		return LSR_TX_EMPTY | (rx_ready(s) ? LSR_RX_READY : 0);
	case REG_MSR:
		return modem_status(s);
	default:
		return s->scr;
	}
}

static void transmit(struct serial *s, u8 byte)
{
	if (s->mcr & MCR_LOOP)
		receive(s, byte);
	else
		putc(byte, s->out);
	s->tx_irq = true;
}

void serial_out(struct serial *s, unsigned reg, u8 val)
{
	bool dlab = s->lcr & LCR_DLAB;

	switch (reg) {
	case REG_DATA:
		if (dlab)
			s->dll = val;
		else
			transmit(s, val);
		break;
	case REG_IER:
		if (dlab) {
			s->dlm = val;
			break;
		}
		/* Enabling it while the register is empty interrupts. */
		if ((val & IER_TX) && !(s->ier & IER_TX))
			s->tx_irq = true;
		s->ier = val & IER_MASK;
		break;
	case REG_IIR:
		s->fcr = val;
		if (val & FCR_CLEAR_RX)
			s->rx_tail = s->rx_head;
		break;
	case REG_LCR:
		s->lcr = val;
		break;
	case REG_MCR:
		s->mcr = val;
		break;
	case REG_SCR:
		s->scr = val;
		break;
	}
	update_irq(s);
}

static void *run_input(void *arg)
{
	struct serial *s = arg;
	bool escape = false;
	u8 byte;

	while (read(STDIN_FILENO, &byte, 1) == 1) {
		pthread_mutex_lock(&s->vm->lock);
		if (escape && byte == 'x') {
			log_info("ended by Ctrl-A x");
			vm_stop(s->vm, HVSIM_GUEST_DIED);
		} else if (byte == ESCAPE_KEY && !escape) {
			escape = true;
			pthread_mutex_unlock(&s->vm->lock);
			continue;
		} else {
			receive(s, byte);
			update_irq(s);
		}
		escape = false;
		pthread_mutex_unlock(&s->vm->lock);
	}
	return NULL;
}

static void start_input(struct serial *s)
{
	struct termios raw;
	pthread_t thread;

	if (!tcgetattr(STDIN_FILENO, &s->saved)) {
		raw = s->saved;
		cfmakeraw(&raw);
		raw.c_oflag |= OPOST;	/* our own messages need it */
		s->raw = !tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	if (pthread_create(&thread, NULL, run_input, s))
		die("cannot start the input thread");
	pthread_detach(thread);
}

struct serial *serial_new(struct vm *vm, FILE *out, bool interactive)
{
	struct serial *s = calloc(1, sizeof(*s));

	if (!s)
		die("out of memory");
	s->vm = vm;
	s->out = out;
	/* A prompt must show at once, a log may wait for its line's end. */
	setvbuf(out, NULL, interactive ? _IONBF : _IOLBF, 0);
	if (interactive)
		start_input(s);
	return s;
}

void serial_finish(struct serial *s)
{
	fflush(s->out);
	if (s->raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &s->saved);
	s->raw = false;
}
